// How the bulk lane writes to buffers, which it does not know: port/host joins the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pyport::link {

// Straight into the memory of the buffers. One thread.
class BufferWrites {
 public:
  virtual ~BufferWrites() = default;
  // What is reserved next is for this buffer. False: there is none (any more), its data is to be
  // thrown away. REQUIRES: nothing is reserved.
  virtual bool select(std::uint64_t number) = 0;
  // Memory for the next bytes: at most `bytes`, maybe less; empty when the buffer takes no more.
  // The caller fills a prefix and calls commit() once. REQUIRES: a buffer is selected.
  [[nodiscard]] virtual std::span<std::uint8_t> reserve(std::size_t bytes) = 0;
  virtual void commit(std::size_t bytes) = 0;
  // Lets go of the buffer. REQUIRES: nothing is reserved.
  virtual void release() = 0;
};

}  // namespace pyport::link
