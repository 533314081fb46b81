// What all buffers of the process may hold together, and the memory they have used and can use
// again. Any thread; the mutex is a leaf and waiters are told outside it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/spares.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

struct BudgetLimits {
  std::uint64_t memory_bytes_max = std::uint64_t{256} << 20;  // beyond it content goes to a file
  std::uint64_t bytes_max = std::uint64_t{16} << 30;  // memory and files; beyond it writers wait
  std::string tmp_dir = "/tmp";
};

// Something that waits for room.
class RoomWaiter {
 public:
  virtual ~RoomWaiter() = default;
  // Any thread; takes the object's own mutex.
  virtual void room_came() noexcept = 0;
};

class Budget {
 public:
  explicit Budget(BudgetLimits limits) : limits_(std::move(limits)) {}
  ~Budget() = default;
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // False: it would exceed a limit, and nothing was taken.
  [[nodiscard]] bool take_memory(std::uint64_t bytes) noexcept;
  // Always: bytes that were sent are stored. Writers are held by credit, which asks has_room().
  void add_file(std::uint64_t bytes) noexcept { file_.fetch_add(bytes); }
  // Wake who waits for room: not to be called under a mutex.
  void give_memory(std::uint64_t bytes) noexcept;
  void give_file(std::uint64_t bytes) noexcept;

  [[nodiscard]] bool has_room(std::uint64_t bytes) const noexcept;
  // `waiter` is told once, when there is room for `bytes` (at once if there is already).
  void wait_for_room(std::weak_ptr<RoomWaiter> waiter, std::uint64_t bytes) noexcept;
  [[nodiscard]] std::size_t room_wait_count() const noexcept { return wait_count_.load(); }
  // Changes whenever something was given back.
  [[nodiscard]] std::uint64_t gift_count() const noexcept { return gift_count_.load(); }

  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return memory_.load(); }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_.load(); }
  [[nodiscard]] std::uint64_t bytes_max() const noexcept { return limits_.bytes_max; }
  [[nodiscard]] const std::string& tmp_dir() const noexcept { return limits_.tmp_dir; }
  [[nodiscard]] Spares& spares() noexcept { return spares_; }

 private:
  struct RoomWait {
    std::weak_ptr<RoomWaiter> waiter;
    std::uint64_t bytes;
  };
  void tell_room() noexcept PYPORT_EXCLUDES(mutex_);

  const BudgetLimits limits_;
  std::atomic<std::uint64_t> memory_{0};
  std::atomic<std::uint64_t> file_{0};
  std::atomic<std::uint64_t> gift_count_{0};
  Spares spares_;
  std::atomic<std::size_t> wait_count_{0};
  Mutex mutex_;
  std::vector<RoomWait> waits_ PYPORT_GUARDED_BY(mutex_);
};

// Memory taken from a budget, given back when this dies (never under a mutex).
class MemoryShare {
 public:
  [[nodiscard]] static std::optional<MemoryShare> take(Budget& budget, std::uint64_t bytes) {
    if (!budget.take_memory(bytes)) return std::nullopt;
    return MemoryShare(budget, bytes);
  }
  MemoryShare(MemoryShare&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
  MemoryShare& operator=(MemoryShare&&) = delete;
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;
  ~MemoryShare() {
    if (budget_ != nullptr) budget_->give_memory(bytes_);
  }
  [[nodiscard]] Budget& budget() const noexcept { return *budget_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  MemoryShare(Budget& budget, std::uint64_t bytes) noexcept : budget_(&budget), bytes_(bytes) {}
  Budget* budget_;
  std::uint64_t bytes_;
};

}  // namespace pyport::store
