// What the tests of the store share: content that says where it belongs, and events that are noted.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "store/buffer.hpp"

namespace pyport::test {

// The byte that every test writes at a position. No period that a ring, a page or a file could
// hide: the lowest bit that it shows has one of 2^41.
inline std::uint8_t byte_at(std::uint64_t position) {
  return static_cast<std::uint8_t>((position * 0x9E3779B97F4A7C15ull) >> 40);
}
inline Bytes content(std::uint64_t from, std::size_t count) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = byte_at(from + i);
  return bytes;
}
// Are these the bytes that belong at `from`?
inline bool belongs(ByteView bytes, std::uint64_t from) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] != byte_at(from + i)) return false;
  return true;
}

class NotedEvents final : public store::BufferEvents {
 public:
  void credit(std::uint64_t, std::uint64_t up_to) noexcept override {
    const MutexLock lock(mutex_);
    if (up_to <= up_to_) shrunk_ = true;
    up_to_ = up_to;
    told_.notify_all();
  }
  void refused(std::uint64_t, store::BufferState why) noexcept override {
    const MutexLock lock(mutex_);
    refused_.push_back(why);
    told_.notify_all();
  }
  void forgotten(std::uint64_t number) noexcept override {
    const MutexLock lock(mutex_);
    forgotten_.push_back(number);
  }

  [[nodiscard]] std::uint64_t up_to() {
    const MutexLock lock(mutex_);
    return up_to_;
  }
  [[nodiscard]] bool shrunk() {
    const MutexLock lock(mutex_);
    return shrunk_;
  }
  [[nodiscard]] std::vector<store::BufferState> refusals() {
    const MutexLock lock(mutex_);
    return refused_;
  }
  [[nodiscard]] std::vector<std::uint64_t> forgotten_numbers() {
    const MutexLock lock(mutex_);
    return forgotten_;
  }
  // A writer's wait. False: refused.
  [[nodiscard]] bool wait_for(std::uint64_t position) {
    const MutexLock lock(mutex_);
    while (up_to_ < position && refused_.empty())
      told_.wait(mutex_);
    return refused_.empty();
  }

 private:
  Mutex mutex_;
  CondVar told_;
  std::uint64_t up_to_ PYPORT_GUARDED_BY(mutex_) = 0;
  bool shrunk_ PYPORT_GUARDED_BY(mutex_) = false;
  std::vector<store::BufferState> refused_ PYPORT_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> forgotten_ PYPORT_GUARDED_BY(mutex_);
};

inline std::string tmp_dir() {
  const char* const named = std::getenv("TMPDIR");
  return named == nullptr ? "/tmp" : named;
}

inline constexpr std::size_t kWindow = 64 << 10;
inline constexpr std::uint64_t kThreshold = 32 << 10;

// A buffer with a small window and threshold, its budget and its events.
struct BufferFixture {
  using Need = store::Buffer::Need;
  using Wait = store::Buffer::Wait;
  using State = store::BufferState;

  static store::BufferOptions small() {
    store::BufferOptions options;
    options.window = kWindow;
    options.overflow_threshold = kThreshold;
    return options;
  }
  static store::BufferOptions seekable() {
    store::BufferOptions options = small();
    options.retain = store::Retain::all;
    return options;
  }
  static store::BufferOptions sized(std::uint64_t length) {
    store::BufferOptions options = small();
    options.length = length;
    return options;
  }

  explicit BufferFixture(const store::BufferOptions& options = small(),
                         store::BudgetLimits limits = {})
      : budget((limits.tmp_dir = limits.tmp_dir == "/tmp" ? tmp_dir() : limits.tmp_dir, limits)),
        buffer(std::make_shared<store::Buffer>(7, options, budget, events)) {}

  void write(std::size_t count) { buffer->append(content(buffer->position().written, count)); }
  // Reads that many bytes; are they the right ones?
  [[nodiscard]] bool read(std::size_t count) {
    while (count > 0) {
      const std::uint64_t from = buffer->position().read;
      const store::Buffer::Pin pin = buffer->take(count);
      if (pin.bytes().empty() || !belongs(pin.bytes(), from)) return false;
      count -= pin.bytes().size();
    }
    return true;
  }
  [[nodiscard]] Wait wait(Need need, std::size_t max = 0) {
    return buffer->wait(need, max, kNever, nullptr);
  }
  [[nodiscard]] bool in_file() { return buffer->usage().file_bytes > 0; }

  NotedEvents events;
  store::Budget budget;
  std::shared_ptr<store::Buffer> buffer;
};

}  // namespace pyport::test
