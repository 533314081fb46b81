// Takes packets off the link (docs/protocol.md, "The link").
//
// One thread at a time: who holds the reader token (dispatcher.hpp). Reads are non-blocking and
// large; a packet that does not fit the buffer is read straight into memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/bytes.hpp"
#include "core/payload.hpp"
#include "core/result.hpp"

namespace pyport::link {

class PacketReader {
 public:
  // `fd` is borrowed and non-blocking.
  PacketReader(int fd, std::size_t packet_bytes_max);

  enum class Status { some, none, end_of_file };

  // One read(2). `none`: nothing was there. An error: the descriptor is not readable any more.
  Result<Status> read();

  // The content of the next whole packet, if one is there. Valid until the next call of any member
  // but take_large(). An error (a length of 0, over the limit or of more than the memory) breaks
  // the link.
  Result<std::optional<ByteView>> next();

  // The memory of the packet that next() just returned, when it had memory of its own.
  [[nodiscard]] std::optional<Payload> take_large() noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint64_t bytes_total() const noexcept { return bytes_total_; }

 private:
  [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }
  Result<Status> read_into(std::uint8_t* to, std::size_t capacity, std::size_t& used);

  int fd_;
  std::size_t packet_bytes_max_;
  Payload buffer_;
  std::size_t begin_ = 0;  // unread bytes are [begin_, end_) of buffer_
  std::size_t end_ = 0;
  std::optional<Payload> large_;  // a packet in memory of its own
  std::size_t large_used_ = 0;
  bool large_given_ = false;  // next() returned large_; it goes with the next call
  std::uint64_t bytes_total_ = 0;
};

}  // namespace pyport::link
