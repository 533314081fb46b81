#include "store/budget.hpp"

#include <algorithm>

namespace pyport::store {

bool Budget::take_memory(std::uint64_t bytes) noexcept {
  std::uint64_t held = memory_.load();
  // What is refused is never counted: it would have others refused that fit.
  do {
    const std::uint64_t file = file_.load();
    if (held > limits_.memory_bytes_max || bytes > limits_.memory_bytes_max - held) return false;
    if (held + file > limits_.bytes_max || bytes > limits_.bytes_max - held - file) return false;
  } while (!memory_.compare_exchange_weak(held, held + bytes));
  return true;
}

void Budget::give_memory(std::uint64_t bytes) noexcept {
  memory_.fetch_sub(bytes);
  gift_count_.fetch_add(1);
  tell_room();
}

void Budget::give_file(std::uint64_t bytes) noexcept {
  file_.fetch_sub(bytes);
  gift_count_.fetch_add(1);
  tell_room();
}

bool Budget::has_room(std::uint64_t bytes) const noexcept {
  const std::uint64_t held = memory_.load() + file_.load();
  return held <= limits_.bytes_max && bytes <= limits_.bytes_max - held;
}

void Budget::wait_for_room(std::weak_ptr<RoomWaiter> waiter, std::uint64_t bytes) noexcept {
  {
    const MutexLock lock(mutex_);
    waits_.push_back({std::move(waiter), bytes});
    wait_count_.store(waits_.size());
  }
  tell_room();  // it may have come since the caller asked
}

void Budget::tell_room() noexcept {
  if (wait_count_.load() == 0) return;
  std::vector<std::shared_ptr<RoomWaiter>> told;  // owners: this call, and who holds the buffer
  {
    const MutexLock lock(mutex_);
    const auto still = std::partition(waits_.begin(), waits_.end(), [this](const RoomWait& wait) {
      return !wait.waiter.expired() && !has_room(wait.bytes);
    });
    for (auto wait = still; wait != waits_.end(); ++wait)
      if (auto waiter = wait->waiter.lock()) told.push_back(std::move(waiter));
    waits_.erase(still, waits_.end());
    wait_count_.store(waits_.size());
  }
  for (const auto& waiter : told)
    waiter->room_came();
}

}  // namespace pyport::store
