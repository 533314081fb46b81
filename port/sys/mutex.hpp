// std::mutex and std::condition_variable with thread-safety annotations (libstdc++ has none).
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "sys/thread_annotations.hpp"

namespace pyport {

class PYPORT_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  ~Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() PYPORT_ACQUIRE() { mutex_.lock(); }
  bool try_lock() PYPORT_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void unlock() PYPORT_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class PYPORT_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PYPORT_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() PYPORT_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits with the mutex that the caller holds; it is held again on return. Spurious wake-ups
// happen: call in a loop that tests the condition.
class CondVar {
 public:
  CondVar() = default;
  ~CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void wait(Mutex& mutex) PYPORT_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    wake_.wait(lock);
    static_cast<void>(lock.release());
  }
  void wait_until(Mutex& mutex, std::chrono::steady_clock::time_point when) PYPORT_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    wake_.wait_until(lock, when);
    static_cast<void>(lock.release());
  }
  void notify_one() noexcept { wake_.notify_one(); }
  void notify_all() noexcept { wake_.notify_all(); }

 private:
  std::condition_variable wake_;
};

}  // namespace pyport
