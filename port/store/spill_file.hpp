// Content of one buffer in an unlinked temporary file: written with pwrite, read through a mapping
// that is larger than the file, so that it seldom has to be made anew.
//
// One thread writes and maps; any thread may punch, behind what anybody still reads. No locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "store/budget.hpp"
#include "sys/fd.hpp"
#include "sys/mapping.hpp"

namespace pyport::store {

inline constexpr std::uint64_t kFileMapBytesMin = std::uint64_t{64} << 20;

class SpillFile {
 public:
  // `base` is the position of the first byte that will be in it.
  SpillFile(UniqueFd fd, std::uint64_t base, Budget& budget) noexcept
      : fd_(std::move(fd)), base_(base), budget_(budget) {}
  ~SpillFile() { budget_.give_file(bytes_.load()); }
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;
  static Result<std::shared_ptr<SpillFile>> open(std::uint64_t base, Budget& budget);

  // How many were stored; fewer than given when the file system is full or refuses.
  [[nodiscard]] std::size_t write(std::uint64_t position, ByteView bytes) noexcept;

  struct Window {
    std::shared_ptr<Mapping> memory;  // owners: the buffer until it is mapped anew, and pins
    std::uint64_t from = 0;           // the position of the first byte of it
    [[nodiscard]] std::uint64_t end() const noexcept { return from + memory->size(); }
  };
  // Maps at least [from, to), and more if the system allows, up to `wish`.
  struct Range {
    std::uint64_t from;
    std::uint64_t to;
    std::uint64_t wish;
  };
  Result<Window> map(const Range& range);

  // Nobody reads [from, to) any more. REQUIRES: both are whole pages away from base().
  void punch(std::uint64_t from, std::uint64_t to) noexcept;

  [[nodiscard]] std::uint64_t base() const noexcept { return base_; }
  // In the file, holes not counted.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_.load(); }

 private:
  const UniqueFd fd_;
  const std::uint64_t base_;
  Budget& budget_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace pyport::store
