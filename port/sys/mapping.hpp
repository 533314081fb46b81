// Memory that was mapped, and the two forms of it that buffers use. Linux.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/result.hpp"

namespace pyport {

// Owns one range of addresses.
class [[nodiscard]] Mapping {
 public:
  Mapping() noexcept = default;
  Mapping(void* at, std::size_t bytes) noexcept
      : at_(static_cast<std::uint8_t*>(at)), bytes_(bytes) {}
  Mapping(Mapping&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::uint8_t* data() const noexcept { return at_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  // Takes whole pages within [from, from + bytes) out of the page table. A page of a file comes
  // back with its content when it is touched.
  void forget_pages(std::size_t from, std::size_t bytes) const noexcept;

 private:
  std::uint8_t* at_ = nullptr;
  std::size_t bytes_ = 0;
};

[[nodiscard]] std::size_t page_bytes() noexcept;

// `bytes` of memory mapped twice, side by side: data()[i] and data()[bytes + i] are the same byte.
// size() is 2 * bytes. The pages are there already. REQUIRES: `bytes` is a multiple of
// page_bytes().
Result<Mapping> map_twice(std::size_t bytes);

// Reads the file; may be larger than it, but what lies behind its end must not be touched.
// REQUIRES: `offset` is a multiple of page_bytes().
Result<Mapping> map_file(int fd, std::uint64_t offset, std::size_t bytes);

}  // namespace pyport
