// The threads that wait for something in an object of the store, in the order in which they came.
// Part of that object: every member REQUIRES its mutex, but for wake().
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "sys/sleep.hpp"

namespace pyport::store {

// How a wait of a thread ended.
enum class Wait : std::uint8_t { ready, ended, interrupted, timed_out };

// Who is to be woken when the mutex is free.
using Wakes = std::vector<std::shared_ptr<Sleep>>;

inline void wake(Wakes& wakes) noexcept {
  for (const auto& sleep : wakes)
    sleep->wake();
  wakes.clear();
}

class WaitList {
 public:
  // On the stack of the thread that waits.
  struct Waiter {
    const std::shared_ptr<Sleep>& sleep;
    std::uint64_t need = 0;         // what it waits for, in the object's own terms
    std::atomic<bool> over{false};  // look again
  };

  void add(Waiter& waiter) { waiters_.push_back(&waiter); }
  void remove(Waiter& waiter) { std::erase(waiters_, &waiter); }
  [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return waiters_.size(); }
  // REQUIRES: not empty.
  [[nodiscard]] Waiter& first() const noexcept { return *waiters_.front(); }

  // The first one is to look again, and is not in the list any more.
  void end_first(Wakes& wakes) {
    tell(*waiters_.front(), wakes);
    waiters_.pop_front();
  }
  // All are to look again; they stay until they remove themselves.
  void tell_all(Wakes& wakes) {
    for (Waiter* const waiter : waiters_)
      tell(*waiter, wakes);
  }

 private:
  static void tell(Waiter& waiter, Wakes& wakes) {
    waiter.over.store(true);
    wakes.push_back(waiter.sleep);
  }

  std::list<Waiter*> waiters_;  // not a deque, which takes 576 bytes when it is empty
};

}  // namespace pyport::store
