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

#include "store/interrupt.hpp"
#include "sys/clock.hpp"
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

// The place in line of one thread, which it keeps between waits. Used by that thread only.
class Place {
 public:
  Place() = default;
  virtual ~Place() = default;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  // Blocks, never with the GIL, until it is this one's turn (ready), the end, `until` or an
  // interrupt. It is in line from the first call on. `point` may be null; with one the object must
  // be owned by a shared_ptr.
  virtual Wait await(TimePoint until, InterruptPoint* point) = 0;
  // Out of the line; what was kept for it goes to the next. The next await() begins at the back.
  virtual void leave() = 0;
};

class WaitList {
 public:
  enum class Stand : std::uint8_t { away, in_line, served };
  // On the stack of the thread that waits.
  struct Waiter {
    std::shared_ptr<Sleep> sleep;   // owners: its thread, this, and who wakes it
    std::uint64_t need = 0;         // what it waits for, in the object's own terms
    std::atomic<bool> over{false};  // look again
    Stand stand = Stand::away;
  };

  void add(Waiter& waiter) {
    waiter.stand = Stand::in_line;
    waiters_.push_back(&waiter);
  }
  // Wherever it stands.
  void remove(Waiter& waiter) {
    if (std::exchange(waiter.stand, Stand::away) == Stand::in_line) std::erase(waiters_, &waiter);
  }
  [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return waiters_.size(); }
  // REQUIRES: not empty.
  [[nodiscard]] Waiter& first() const noexcept { return *waiters_.front(); }

  // The first one is served, and is not in the list any more.
  void serve_first(Wakes& wakes) {
    Waiter& first = *waiters_.front();
    first.stand = Stand::served;
    tell(first, wakes);
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
