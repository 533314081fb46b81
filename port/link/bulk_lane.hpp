// Reads the bulk lane (docs/protocol.md): one thread, blocking reads, never the GIL.
//
// Small packets are read many at a time into a scratch block. What is left of a packet that began
// there is received straight into its place by the read that follows, which also takes the
// beginning of the next packet along: the memory of the buffer for a BUFFER_WRITE, memory of its
// own for a large message.
//
//   between   packets are taken from the scratch block
//   into a buffer, into memory, skipped: the rest of one packet comes, the scratch block is empty
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/payload.hpp"
#include "core/result.hpp"
#include "link/answer_writer.hpp"
#include "link/buffer_writes.hpp"
#include "link/messages.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::link {

// What a lane hands on to.
struct LaneParts {
  Messages& messages;
  AnswerWriter& writer;
  const WakeFd& reader_wake;  // wakes who reads the link, to write what the pipe did not take
  std::size_t packet_bytes_max;
};

class BulkLane {
 public:
  // `fd` is borrowed, a blocking socket.
  BulkLane(int fd, const LaneParts& parts, BufferWrites& writes);

  // The life of the lane's thread: until the end of file, which ends the process.
  [[noreturn]] void run();

  // One read and all that came with it. Blocks until there is something. An error breaks the lane.
  enum class Status { some, end_of_file };
  Result<Status> step();

 private:
  enum class Rest { none, buffer, memory, skip };

  [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }
  [[nodiscard]] ByteView scratch() const noexcept {
    return scratch_.view().subspan(begin_, buffered());
  }
  [[nodiscard]] std::span<std::uint8_t> place_of_rest();
  void take_rest(std::size_t count);
  void make_room();
  Result<Done> take_packets();
  // False: more has to be read first.
  Result<bool> take_packet();
  Result<Done> take_whole(ByteView content);
  Result<Done> begin_rest(std::size_t length, ByteView content);
  [[nodiscard]] std::size_t bytes_ahead(std::uint64_t number) const noexcept;
  // Copies to the buffer; `ahead` bytes for it are known to follow.
  void put(std::uint64_t number, ByteView data, std::size_t ahead);
  void finish_writes();
  void forget_selection();

  const int fd_;
  const LaneParts to_;
  BufferWrites& writes_;
  Inflow inflow_{Dispatcher::Submitter::other, {}, {}};

  Payload scratch_;
  std::size_t begin_ = 0;  // unread bytes are [begin_, end_) of scratch_
  std::size_t end_ = 0;
  bool large_traffic_ = false;  // the last packet was one: read little beyond a packet

  Rest rest_ = Rest::none;
  std::size_t rest_bytes_ = 0;  // of the packet at hand, still to come
  Payload large_;
  std::size_t large_used_ = 0;

  // The buffer that was written last, and what is reserved there for small packets.
  enum class Selection { none, known, unknown };
  Selection selection_ = Selection::none;
  std::uint64_t selected_ = 0;
  bool reserved_ = false;
  std::span<std::uint8_t> room_;  // what is left of the reservation
  std::size_t filled_ = 0;
  std::uint64_t messages_seen_ = 0;  // and not counted
};

}  // namespace pyport::link
