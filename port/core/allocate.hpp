// Memory of a size that data decides, so that there may be none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace pyport {

using HeapBytes = std::unique_ptr<std::uint8_t[]>;

// Not initialised. Null: the system has not so much.
[[nodiscard]] inline HeapBytes allocate_bytes(std::size_t count) noexcept {
  return HeapBytes(new (std::nothrow) std::uint8_t[count]);
}

}  // namespace pyport
