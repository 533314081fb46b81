// What all buffers of the process may hold together. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace pyport::store {

struct BudgetLimits {
  std::uint64_t memory_bytes_max = std::uint64_t{256} << 20;  // beyond it content goes to a file
  std::uint64_t bytes_max = std::uint64_t{16} << 30;  // memory and files; beyond it writers wait
  std::string tmp_dir = "/tmp";
};

class Budget {
 public:
  explicit Budget(BudgetLimits limits) : limits_(std::move(limits)) {}

  // False: it would exceed the limit, and nothing was taken.
  [[nodiscard]] bool take_memory(std::uint64_t bytes) noexcept;
  void give_memory(std::uint64_t bytes) noexcept { memory_.fetch_sub(bytes); }
  [[nodiscard]] bool take_file(std::uint64_t bytes) noexcept;
  void give_file(std::uint64_t bytes) noexcept { file_.fetch_sub(bytes); }

  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return memory_.load(); }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_.load(); }
  [[nodiscard]] const std::string& tmp_dir() const noexcept { return limits_.tmp_dir; }

 private:
  const BudgetLimits limits_;
  std::atomic<std::uint64_t> memory_{0};
  std::atomic<std::uint64_t> file_{0};
};

}  // namespace pyport::store
