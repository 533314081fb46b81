// The sleep of a context's thread that blocks within a request: it reads the link meanwhile if
// nobody else does, so what it waits for wakes no thread.
#pragma once

#include <algorithm>
#include <atomic>
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
    // What another thread brought last (the bulk lane) is likely to come from there again.
    if (brought_by_other_.load() && spin_until(over, std::min(until, Clock::now() + kSpin))) return;
    reading_.store(true);
    dispatcher_.read_until(inbox_, over, until);
    reading_.store(false);
  }
  void wake() noexcept override {
    const bool other = std::this_thread::get_id() != thread_;
    brought_by_other_.store(other);
    // Itself, while it reads: it looks at its `over` next. Nor does one that spins need to be told.
    if (other && reading_.load()) dispatcher_.nudge(context_);
  }

 private:
  static constexpr microseconds kSpin{20};

  Dispatcher& dispatcher_;
  Inbox& inbox_;
  const std::uint32_t context_;
  const std::thread::id thread_ = std::this_thread::get_id();
  std::atomic<bool> brought_by_other_{false};
  std::atomic<bool> reading_{false};  // in the dispatcher, or about to be: it looks at `over` there
};

}  // namespace pyport::link
