// What the link needs of the store, which it does not know: port/host joins the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/bytes.hpp"
#include "core/payload.hpp"
#include "core/result.hpp"
#include "wire/message.hpp"

namespace pyport::link {

// The messages about buffers, channels and processes. Any thread; nothing here blocks or touches
// Python.
class ResourceMessages {
 public:
  virtual ~ResourceMessages() = default;
  // One of the operations for which wire::is_buffer() or wire::is_channel() holds, but for
  // CHANNEL_SEND; `body` is what follows its header. An error: the peer broke the protocol.
  virtual Result<Done> message(const wire::Message& head, ByteView body) = 0;
  // Messages that CHANNEL_SEND brought together for one channel, as they stand in a batch.
  virtual void send(std::uint64_t channel, ByteView entries, std::size_t count) = 0;
  // One of them in memory of its own; it begins at `offset`.
  virtual void send(std::uint64_t channel, Payload memory, std::size_t offset) = 0;
  // Memory for such a message.
  [[nodiscard]] virtual Result<Payload> memory_for_send(std::size_t bytes) = 0;
  // What a request holds until its term is decoded: what is dropped behind the request is still
  // found by its reference so long. May be null.
  [[nodiscard]] virtual std::shared_ptr<const void> undecoded() = 0;
  // The terms that answer BUFFER_INFO and CHANNEL_INFO. None: there is no such thing (any more).
  [[nodiscard]] virtual std::optional<Bytes> buffer_info(std::uint64_t number) = 0;
  [[nodiscard]] virtual std::optional<Bytes> channel_info(std::uint64_t number) = 0;

  struct Counts {
    std::uint64_t buffers = 0;
    std::uint64_t buffer_memory_bytes = 0;
    std::uint64_t buffer_file_bytes = 0;
    std::uint64_t channels = 0;
    std::uint64_t channel_bytes = 0;
  };
  [[nodiscard]] virtual Counts counts() = 0;
};

}  // namespace pyport::link
