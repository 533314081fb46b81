// The sleep of a context's thread that blocks within a request: it reads the link meanwhile if
// nobody else does, so what it waits for wakes no thread.
#pragma once

#include <thread>

#include "link/dispatcher.hpp"
#include "sys/sleep.hpp"

namespace pyport::link {

class ReadingSleep final : public Sleep {
 public:
  // Of the thread that makes it. The inbox outlives its thread's last sleep, the dispatcher all.
  ReadingSleep(Dispatcher& dispatcher, Inbox& inbox) noexcept
      : dispatcher_(dispatcher), inbox_(inbox), context_(inbox.context()) {}

  void sleep(const std::atomic<bool>& over, TimePoint until) override {
    dispatcher_.read_until(inbox_, over, until);
  }
  void wake() noexcept override {
    // Itself, while it reads: it looks at its `over` next.
    if (std::this_thread::get_id() != thread_) dispatcher_.nudge(context_);
  }

 private:
  Dispatcher& dispatcher_;
  Inbox& inbox_;
  const std::uint32_t context_;
  const std::thread::id thread_ = std::this_thread::get_id();
};

}  // namespace pyport::link
