// What all channels of the process may hold together. Any thread; the mutex is a leaf, and events
// are told outside it.
#pragma once

#include <atomic>
#include <cstdint>

#include "store/budget.hpp"
#include "store/channel.hpp"
#include "store/message_memory.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

class ChannelBudget {
 public:
  // Events outlive it.
  ChannelBudget(std::uint64_t bytes_max, ChannelEvents& events)
      : bytes_max_(bytes_max), events_(events), outgoing_({bytes_max, bytes_max, {}}) {}
  ~ChannelBudget() = default;
  ChannelBudget(const ChannelBudget&) = delete;
  ChannelBudget& operator=(const ChannelBudget&) = delete;

  // Memory of the queues to Python: always taken, since what was sent is stored. The BEAM is told
  // when it is more than bytes_max, and when it is less than three quarters of that again. Not to
  // be called under a mutex.
  void add_memory(std::uint64_t bytes) noexcept PYPORT_EXCLUDES(mutex_);
  void give_memory(std::uint64_t bytes) noexcept PYPORT_EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return memory_.load(); }

  [[nodiscard]] MessageMemory& message_memory() noexcept { return message_memory_; }

  // What is on its way to Erlang, as its memory: sizes, and kMessageOverheadBytes for each message.
  [[nodiscard]] Budget& outgoing() noexcept { return outgoing_; }
  [[nodiscard]] const Budget& outgoing() const noexcept { return outgoing_; }

 private:
  void settle() noexcept PYPORT_EXCLUDES(mutex_);

  const std::uint64_t bytes_max_;
  ChannelEvents& events_;
  Budget outgoing_;
  MessageMemory message_memory_;
  std::atomic<std::uint64_t> memory_{0};
  std::atomic<bool> pressed_{false};  // changes under the mutex
  Mutex mutex_;
  bool telling_ PYPORT_GUARDED_BY(mutex_) = false;  // one thread tells, so that they alternate
};

}  // namespace pyport::store
