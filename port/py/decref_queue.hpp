// References that died on a thread without the GIL, waiting for one that has it.
//
// States: open (a push waits for the next drain) and closed (the interpreter is going or gone: a
// push forgets its reference). A push beyond `count_max` forgets too: memory is then lost instead
// of used after its end, and lost() counts it.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "core/limits.hpp"
#include "py/gil.hpp"
#include "sys/mutex.hpp"

namespace pyport::py {

class DecrefQueue {
 public:
  explicit DecrefQueue(std::size_t count_max = limits::kDecrefQueueCountMax) noexcept
      : count_max_(count_max) {}

  // Any thread, GIL or not.
  void push(PyObject* owned) PYPORT_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (closed_ || pending_.size() >= count_max_) {
      ++lost_count_;
      return;
    }
    pending_.push_back(owned);
  }

  // Swaps under the mutex and releases outside it: a decref runs arbitrary Python, which may
  // push().
  std::size_t drain() PYPORT_REQUIRES(gil) PYPORT_EXCLUDES(mutex_) {
    std::vector<PyObject*> batch;
    {
      MutexLock lock(mutex_);
      batch.swap(pending_);
    }
    for (PyObject* object : batch)
      Py_DECREF(object);
    return batch.size();
  }

  // The last drain. Call before Py_FinalizeEx.
  void close() PYPORT_REQUIRES(gil) PYPORT_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      closed_ = true;
    }
    drain();
  }

  // References forgotten because the queue was full or closed.
  [[nodiscard]] std::size_t lost() PYPORT_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return lost_count_;
  }

 private:
  const std::size_t count_max_;
  Mutex mutex_;
  std::vector<PyObject*> pending_ PYPORT_GUARDED_BY(mutex_);
  bool closed_ PYPORT_GUARDED_BY(mutex_) = false;
  std::size_t lost_count_ PYPORT_GUARDED_BY(mutex_) = 0;
};

// Owns one reference; may be destroyed on any thread. REQUIRES: the queue outlives it.
class DeferredPyRef {
 public:
  DeferredPyRef(DecrefQueue& queue, PyObject* owned) noexcept : queue_(&queue), object_(owned) {}
  DeferredPyRef(DeferredPyRef&& other) noexcept
      : queue_(other.queue_), object_(std::exchange(other.object_, nullptr)) {}
  DeferredPyRef& operator=(DeferredPyRef&&) = delete;
  DeferredPyRef(const DeferredPyRef&) = delete;
  DeferredPyRef& operator=(const DeferredPyRef&) = delete;
  ~DeferredPyRef() {
    if (object_ != nullptr) queue_->push(object_);
  }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }

 private:
  DecrefQueue* queue_;
  PyObject* object_;
};

}  // namespace pyport::py
