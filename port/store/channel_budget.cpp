#include "store/channel_budget.hpp"

namespace pyport::store {

void ChannelBudget::add_memory(std::uint64_t bytes) noexcept {
  const std::uint64_t held = memory_.fetch_add(bytes) + bytes;
  if (held > bytes_max_ && !pressed_.load()) settle();
}

void ChannelBudget::give_memory(std::uint64_t bytes) noexcept {
  memory_.fetch_sub(bytes);
  if (pressed_.load()) settle();
}

void ChannelBudget::settle() noexcept {
  for (;;) {
    bool on = false;
    {
      const MutexLock lock(mutex_);
      if (telling_) return;  // who tells looks again
      const std::uint64_t held = memory_.load();
      on = held > bytes_max_ || (pressed_.load() && held >= bytes_max_ - bytes_max_ / 4);
      if (on == pressed_.load()) return;
      pressed_.store(on);
      telling_ = true;
    }
    events_.pressure(on);
    const MutexLock lock(mutex_);
    telling_ = false;
  }
}

}  // namespace pyport::store
