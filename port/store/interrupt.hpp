// How a thread that blocks in the store (a read of a buffer, of a channel) is told to stop.
//
// Each context thread has one InterruptPoint. Who interrupts a request calls request() from any
// thread; the blocked thread leaves its wait at once with `interrupted`, and what blocks next on
// that thread does so immediately, until clear(). Threads that Python code started have none.
#pragma once

#include <atomic>
#include <memory>

#include "sys/mutex.hpp"

namespace pyport::store {

// Something that threads wait in.
class Waitable {
 public:
  virtual ~Waitable() = default;
  // Makes every thread that waits here look again. Any thread; takes the object's own mutex.
  virtual void wake_all() noexcept = 0;
};

class InterruptPoint {
 public:
  // Any thread.
  void request() noexcept PYPORT_EXCLUDES(mutex_);
  // The point's own thread, when the request it was meant for is over.
  void clear() noexcept { requested_.store(false); }
  [[nodiscard]] bool requested() const noexcept { return requested_.load(); }

  // The point's own thread waits in `where` while this lives.
  class Waiting {
   public:
    Waiting(InterruptPoint* point, const std::shared_ptr<Waitable>& where);
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    InterruptPoint* const point_;
  };

 private:
  std::atomic<bool> requested_{false};
  Mutex mutex_;
  // Owners: this point, for as long as its thread waits, and whoever else holds the object; so that
  // request() can wake it without a lock that outlives the look-up.
  std::shared_ptr<Waitable> waits_in_ PYPORT_GUARDED_BY(mutex_);
};

}  // namespace pyport::store
