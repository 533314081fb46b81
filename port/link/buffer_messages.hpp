// What the link needs of the store, which it does not know: port/host joins the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "wire/message.hpp"

namespace pyport::link {

// The messages about buffers. Any thread; nothing here blocks or touches Python.
class BufferMessages {
 public:
  virtual ~BufferMessages() = default;
  // One of the operations for which wire::is_buffer() holds; `body` is what follows its header. An
  // error: the peer broke the protocol.
  virtual Result<Done> message(const wire::Message& head, ByteView body) = 0;
  // What a request holds until its term is decoded: a buffer that is dropped behind the request is
  // still found by its reference so long. May be null.
  [[nodiscard]] virtual std::shared_ptr<const void> undecoded() = 0;
  // The term that answers BUFFER_INFO. None: there is no such buffer (any more).
  [[nodiscard]] virtual std::optional<Bytes> info(std::uint64_t number) = 0;

  struct Counts {
    std::uint64_t buffers = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t file_bytes = 0;
  };
  [[nodiscard]] virtual Counts counts() = 0;
};

// How the bulk lane writes: straight into the memory of the buffers. One thread.
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
