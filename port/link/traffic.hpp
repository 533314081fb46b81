// What went over the lanes so far, for INFO. Any thread; counters only, they order nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace pyport::link {

class Traffic {
 public:
  struct Count {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
  };
  void note_in(const Count& count) noexcept {
    messages_in_.fetch_add(count.messages, std::memory_order_relaxed);
    bytes_in_.fetch_add(count.bytes, std::memory_order_relaxed);
  }
  // Of the bulk lane; AnswerWriter counts what goes over the link.
  void note_bulk_out(const Count& count) noexcept {
    messages_bulk_out_.fetch_add(count.messages, std::memory_order_relaxed);
    bytes_bulk_out_.fetch_add(count.bytes, std::memory_order_relaxed);
  }
  [[nodiscard]] Count in() const noexcept { return {messages_in_.load(), bytes_in_.load()}; }
  [[nodiscard]] Count bulk_out() const noexcept {
    return {messages_bulk_out_.load(), bytes_bulk_out_.load()};
  }

 private:
  std::atomic<std::uint64_t> messages_in_{0};
  std::atomic<std::uint64_t> bytes_in_{0};
  std::atomic<std::uint64_t> messages_bulk_out_{0};
  std::atomic<std::uint64_t> bytes_bulk_out_{0};
};

}  // namespace pyport::link
