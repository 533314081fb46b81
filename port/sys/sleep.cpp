#include "sys/sleep.hpp"

#include <algorithm>
#include <thread>

namespace pyport {

bool spin_until(const std::atomic<bool>& over, TimePoint until) noexcept {
  while (!over.load() && Clock::now() < until)
    std::this_thread::yield();
  return over.load();
}

void ThreadSleep::sleep(const std::atomic<bool>& over, TimePoint until) {
  if (spin_until(over, std::min(until, Clock::now() + spin_))) return;
  const MutexLock lock(mutex_);
  while (!over.load() && Clock::now() < until) {
    if (until == kNever)
      changed_.wait(mutex_);
    else
      changed_.wait_until(mutex_, until);
  }
}

void ThreadSleep::wake() noexcept {
  // Under the mutex: a thread that has looked at `over` and not yet slept would miss it.
  const MutexLock lock(mutex_);
  changed_.notify_one();
}

}  // namespace pyport
