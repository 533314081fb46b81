// Packets and batches (docs/protocol.md, "The link"). Pure: no I/O, no threads, no Python.
#pragma once

#include <cstddef>

#include "core/bytes.hpp"
#include "core/result.hpp"

namespace pyport::wire {

// Walks the messages of one packet's content, be it a message or a batch.
//
//   PacketWalk walk(content);
//   while (walk.more()) { PYPORT_TRY(ByteView message, walk.next()); ... }
//
// The views point into `content`. After an error the walk is over.
class PacketWalk {
 public:
  explicit PacketWalk(ByteView content) noexcept;

  [[nodiscard]] bool more() const noexcept { return !rest_.empty(); }
  // True when the content is a single message (and so may be moved as a whole).
  [[nodiscard]] bool single() const noexcept { return !batch_; }
  // REQUIRES: more()
  Result<ByteView> next();

  struct Run {
    ByteView entries;  // *(length:32 message)
    std::size_t count = 0;
  };
  // `message` and those that follow it with the same operation and id. REQUIRES: next() has just
  // returned it, from a batch, and it has a header.
  [[nodiscard]] Run same_as(ByteView message) noexcept;

 private:
  ByteView rest_;
  bool batch_;
};

}  // namespace pyport::wire
