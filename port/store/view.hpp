// Where the content of a buffer is, for who reads it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/bytes.hpp"

namespace pyport::store {

// The byte at `position` is origin[(position - base) & mask].
struct View {
  const std::uint8_t* origin = nullptr;
  std::uint64_t base = 0;
  std::uint64_t mask = UINT64_MAX;
  std::shared_ptr<void> memory;  // owners: the buffer until it moves on, and pins

  // REQUIRES: the content holds [from, to).
  [[nodiscard]] ByteView bytes(std::uint64_t from, std::uint64_t to) const noexcept {
    if (from == to) return {};
    return {origin + ((from - base) & mask), static_cast<std::size_t>(to - from)};
  }
};

}  // namespace pyport::store
