// How a thread sleeps until somebody tells it that its wait is over. A thread that waits for
// something from the link may read the link meanwhile: port/link has such a Sleep.
#pragma once

#include <atomic>

#include "sys/clock.hpp"
#include "sys/mutex.hpp"

namespace pyport {

// One belongs to one thread, and serves one wait after the other. Owned by shared_ptr: who wakes
// holds it beyond the wait.
class Sleep {
 public:
  virtual ~Sleep() = default;
  // The thread itself, without the GIL and without a mutex: returns when `over` is set, at `until`,
  // or earlier.
  virtual void sleep(const std::atomic<bool>& over, TimePoint until) = 0;
  // Any thread, after it has set the `over` of a wait. Never blocks; takes mutexes of its own, so
  // it is called outside all others.
  virtual void wake() noexcept = 0;
};

// Whether `over` is set by `until`. Looks without sleeping and offers the processor: who sets it
// may need it.
[[nodiscard]] bool spin_until(const std::atomic<bool>& over, TimePoint until) noexcept;

// Looks for `spin`, offering the processor, and then sleeps on a condition variable.
class ThreadSleep final : public Sleep {
 public:
  explicit ThreadSleep(microseconds spin) noexcept : spin_(spin) {}
  void sleep(const std::atomic<bool>& over, TimePoint until) override PYPORT_EXCLUDES(mutex_);
  void wake() noexcept override PYPORT_EXCLUDES(mutex_);

 private:
  const microseconds spin_;
  Mutex mutex_;
  CondVar changed_;
};

}  // namespace pyport
