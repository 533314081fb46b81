// The requests of one context, and what is known about the one that runs.
//
// Every member belongs to the Dispatcher and is guarded by its mutex; a context's thread only holds
// a reference and hands it back to the Dispatcher's functions.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>

#include "link/request.hpp"
#include "sys/mutex.hpp"

namespace pyport::link {

class Dispatcher;

class Inbox {
 public:
  Inbox(std::uint32_t context, std::optional<milliseconds> kill_after) noexcept
      : context_(context), kill_after_(kill_after) {}

  [[nodiscard]] std::uint32_t context() const noexcept { return context_; }

 private:
  friend class Dispatcher;

  // Which request runs, and what became of it meanwhile.
  struct Running {
    std::uint64_t id = 0;  // 0: nothing runs
    TimePoint deadline = kNever;
    bool answered = false;       // somebody answered in its place (timeout), or nobody asks
    bool interrupted = false;    // an interrupt was delivered to the thread
    TimePoint kill_at = kNever;  // when the process ends if it still runs
  };

  const std::uint32_t context_;
  std::optional<milliseconds> kill_after_;
  std::deque<Request> queue_;
  Running running_;
  // Set: its thread blocks within a request until this is true, and takes nothing from the queue.
  const std::atomic<bool>* blocked_on_ = nullptr;
  bool waiting_ = false;    // its thread sleeps on wake_
  bool closed_ = false;     // takes no more requests; its thread ends when the queue is empty
  bool wake_owed_ = false;  // it is in the Dispatcher's owed_
  std::atomic<bool> poked_{false};  // what it spins on when it does not sleep on wake_
  CondVar wake_;
};

}  // namespace pyport::link
