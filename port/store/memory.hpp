// The memory that a buffer's content may be in: a block on the heap, or a ring. Owned by
// shared_ptrs: of the buffer until it moves on, and of the pins of it. Each counts against the
// budget until the last of them is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "store/budget.hpp"

namespace pyport::store {

class HeapBlock {
 public:
  explicit HeapBlock(MemoryShare share)
      : share_(std::move(share)),
        bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(share_.bytes())) {}
  [[nodiscard]] std::uint8_t* data() const noexcept { return bytes_.get(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return share_.bytes(); }

 private:
  const MemoryShare share_;
  const std::unique_ptr<std::uint8_t[]> bytes_;
};

// The byte at a position is at data()[position % capacity()], and capacity() bytes from there on
// are at one address.
class Ring {
 public:
  Ring(MemoryShare share, Mapping memory) : share_(std::move(share)), memory_(std::move(memory)) {}
  ~Ring() { share_.budget().spares().give_ring(std::move(memory_)); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  [[nodiscard]] std::uint8_t* data() const noexcept { return memory_.data(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return memory_.size() / 2; }
  [[nodiscard]] std::uint8_t* at(std::uint64_t position) const noexcept {
    return memory_.data() + (position & (capacity() - 1));
  }

 private:
  const MemoryShare share_;
  Mapping memory_;
};

}  // namespace pyport::store
