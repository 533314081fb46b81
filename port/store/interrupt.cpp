#include "store/interrupt.hpp"

#include <utility>

namespace pyport::store {

void InterruptPoint::request() noexcept {
  std::shared_ptr<Waitable> where;
  {
    const MutexLock lock(mutex_);
    // Under the mutex: a thread that registers after this finds the flag set when it looks.
    requested_.store(true);
    where = waits_in_;
  }
  if (where) where->wake_all();
}

InterruptPoint::Waiting::Waiting(InterruptPoint* point, const std::shared_ptr<Waitable>& where)
    : point_(point) {
  if (point_ == nullptr) return;
  const MutexLock lock(point_->mutex_);
  point_->waits_in_ = where;
}

InterruptPoint::Waiting::~Waiting() {
  if (point_ == nullptr) return;
  std::shared_ptr<Waitable> where;  // may be the last reference: let go of it outside the mutex
  const MutexLock lock(point_->mutex_);
  where = std::move(point_->waits_in_);
}

}  // namespace pyport::store
