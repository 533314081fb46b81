#include "store/dropped.hpp"

#include <utility>

namespace pyport::store {

std::shared_ptr<const void> Dropped::undecoded() {
  if (known_count_.load() == 0) return nullptr;
  const MutexLock lock(mutex_);
  if (!requests_) requests_ = std::make_shared<char>();
  return requests_;
}

void Dropped::add(Item item) {
  Gone gone;
  {
    const MutexLock lock(mutex_);
    dropped_bytes_ += item.bytes;
    dropped_.push_back({std::move(item), std::exchange(requests_, nullptr)});
    forget_locked(gone);
  }
  let_go(gone);
}

void Dropped::forget() {
  if (!any()) return;
  Gone gone;
  {
    const MutexLock lock(mutex_);
    forget_locked(gone);
  }
  let_go(gone);
}

void Dropped::leave(const ReferenceTable& table) {
  std::deque<Waiting> left;  // dies outside the mutex
  const MutexLock lock(mutex_);
  left.swap(dropped_);
  for (const Waiting& waiting : left)
    if (waiting.item.table != &table) dropped_.push_back(waiting);
}

void Dropped::forget_locked(Gone& gone) {
  const auto goes = [this]() PYPORT_REQUIRES(mutex_) {
    if (dropped_.empty()) return false;
    const bool too_many = dropped_.size() > kDroppedCountMax;
    const bool too_large = dropped_.size() > 1 && dropped_bytes_ > kDroppedBytesMax;
    return dropped_.front().requests.expired() || too_many || too_large;
  };
  while (goes()) {
    Waiting& oldest = dropped_.front();
    // The next waits for the same messages, and for what came after them.
    if (dropped_.size() > 1 && dropped_[1].requests.expired())
      dropped_[1].requests = oldest.requests;
    dropped_bytes_ -= oldest.item.bytes;
    gone.push_back(std::move(oldest.item));
    dropped_.pop_front();
  }
  dropped_count_.store(dropped_.size());
}

void Dropped::let_go(const Gone& gone) noexcept {
  for (const Item& item : gone)
    item.table->forget_reference(item.reference);
}

}  // namespace pyport::store
