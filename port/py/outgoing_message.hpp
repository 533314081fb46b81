// One message to the BEAM while it is encoded. Encoding may run Python code that sends others: each
// has memory of its own, and the last one leaves its memory to the next.
#pragma once

#include <utility>

#include "link/outgoing.hpp"
#include "py/conversion_state.hpp"

namespace pyport::py {

class OutgoingMessage {
 public:
  OutgoingMessage() PYPORT_REQUIRES(gil)
      : bytes_(std::exchange(conversions.message_memory, Bytes())) {
    bytes_.clear();
  }
  ~OutgoingMessage() PYPORT_REQUIRES(gil) {
    if (bytes_.capacity() <= kKeptBytes) conversions.message_memory.swap(bytes_);
  }
  OutgoingMessage(const OutgoingMessage&) = delete;
  OutgoingMessage& operator=(const OutgoingMessage&) = delete;

  [[nodiscard]] Bytes& bytes() noexcept { return bytes_; }

 private:
  static constexpr std::size_t kKeptBytes = std::size_t{256} << 10;
  Bytes bytes_;
};

// Queues a message for the BEAM, behind all that this thread has sent. REQUIRES: a link, and that
// this is no forked child.
inline void send_out(ByteView message) PYPORT_REQUIRES(gil) {
  conversions.outgoing->send(message);
}

}  // namespace pyport::py
