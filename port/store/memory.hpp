// The memory that a buffer's content may be in: a block on the heap, or a ring. Owned by
// shared_ptrs: of the buffer until it moves on, and of the pins of it. Each counts against the
// budget until the last of them is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/allocate.hpp"
#include "store/budget.hpp"

namespace pyport::store {

class HeapBlock {
 public:
  HeapBlock(MemoryShare share, HeapBytes bytes) noexcept
      : share_(std::move(share)), bytes_(std::move(bytes)) {}
  // Null: the budget or the system has not so much.
  [[nodiscard]] static std::shared_ptr<HeapBlock> make(Budget& budget, std::uint64_t bytes) {
    auto share = MemoryShare::take(budget, bytes);
    if (!share) return nullptr;
    HeapBytes memory = allocate_bytes(bytes);
    if (!memory) return nullptr;
    return std::make_shared<HeapBlock>(*std::move(share), std::move(memory));
  }
  [[nodiscard]] std::uint8_t* data() const noexcept { return bytes_.get(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return share_.bytes(); }

 private:
  const MemoryShare share_;
  const HeapBytes bytes_;
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
