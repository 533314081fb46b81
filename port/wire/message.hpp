// The messages of docs/protocol.md as values. Pure: no I/O, no threads, no Python.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bytes.hpp"
#include "core/result.hpp"

namespace pyport::wire {

inline constexpr std::uint32_t kProtocol = 1;

enum class Op : std::uint8_t {
  hello = 0x01,
  ping = 0x02,
  info = 0x03,
  cancel = 0x04,
  interrupt = 0x05,
  context_open = 0x06,
  context_close = 0x07,
  buffer_info = 0x08,
  channel_info = 0x09,
  call = 0x10,
  eval = 0x11,
  exec = 0x12,
  env_drop = 0x13,
  buffer_new = 0x20,
  buffer_write = 0x21,
  buffer_close = 0x22,
  buffer_drop = 0x23,
  buffer_wait = 0x24,
  channel_new = 0x30,
  channel_send = 0x31,
  channel_close = 0x32,
  channel_drop = 0x33,
  channel_wait = 0x34,
  channel_taken = 0x35,
  messages_taken = 0x36,
  process = 0x37,
  batch = 0x7f,
  ok = 0x80,
  exception = 0x81,
  error = 0x82,
  bulk = 0x83,
  output = 0x90,
  dying = 0x91,
  buffer_credit = 0xa0,
  buffer_refused = 0xa1,
  buffer_forgotten = 0xa2,
  channel_message = 0xb0,
  channel_credit = 0xb1,
  channel_closed = 0xb2,
  channel_forgotten = 0xb3,
  send = 0xb4,
  watch = 0xb5,
  want = 0xb6,  // WAIT of a channel, to the BEAM
  pressure = 0xb7,
  unwatch = 0xb8,
};

inline constexpr std::uint8_t kFlagDetailedErrors = 0x01;
inline constexpr std::uint8_t kFlagArraysAsBinary = 0x02;

// Sizes of the fixed parts.
inline constexpr std::size_t kLengthBytes = 4;
inline constexpr std::size_t kControlHeaderBytes = 9;
inline constexpr std::size_t kRunHeaderBytes = 26;
inline constexpr std::size_t kTotalBytes = 8;      // what a BUFFER_CLOSE says after its header
inline constexpr std::size_t kTakenBytes = 8 + 8;  // what a CHANNEL_TAKEN says after its header
inline constexpr std::size_t kBufferNewBytes = 1 + 4 + 3 * 8;  // up to the reference
inline constexpr std::size_t kChannelNewBytes = 1 + 8;         // up to the reference

// A message to the program. `term_offset` is where its external term begins in the message.
struct Message {
  Op op{};
  std::uint64_t id = 0;
  std::uint8_t flags = 0;
  std::uint32_t context = 0;
  std::uint64_t env = 0;
  std::uint32_t timeout_ms = 0;  // 0: no limit
  std::size_t term_offset = 0;
};

// True for the operations that run on a context's thread.
[[nodiscard]] bool is_run(Op op) noexcept;
// True for the operations on a buffer, whose `id` is the buffer's number and which no one answers.
[[nodiscard]] bool is_buffer(Op op) noexcept;

// True for CHANNEL_NEW to PROCESS, whose `id` is a number, a key or 0 and which no one answers.
[[nodiscard]] bool is_channel(Op op) noexcept;

// Reads the header of one message. An error names what was read and breaks the link.
Result<Message> parse_message(ByteView message);

// What BUFFER_NEW says about the buffer.
struct BufferNew {
  static constexpr std::uint32_t kWindowBytesMin = 64U << 10;
  static constexpr std::uint64_t kNoLength = ~std::uint64_t{0};

  bool retain_all = false;
  std::uint32_t window = 0;  // a power of two, at least kWindowBytesMin
  std::uint64_t length = kNoLength;
  std::uint64_t bytes_max = 0;
  std::uint64_t overflow_threshold = 0;
  ByteView reference;  // its external term behind the version byte; not empty; points into `body`
};
// `body` is what follows the header of a BUFFER_NEW. An error breaks the link.
Result<BufferNew> parse_buffer_new(ByteView body);

// What CHANNEL_NEW says about the channel.
struct ChannelNew {
  bool raw = false;  // messages are bytes, not terms
  std::uint64_t bytes_max = 0;
  ByteView reference;  // its external term behind the version byte; not empty; points into `body`
};
Result<ChannelNew> parse_channel_new(ByteView body);

// Starts an answer: `op:8 id:64`. The term follows.
void put_answer_header(Bytes& out, Op op, std::uint64_t id);

// A whole answer; `term` has its version byte.
[[nodiscard]] Bytes make_answer(Op op, std::uint64_t id, ByteView term);

// A whole OUTPUT message.
enum class Stream : std::uint8_t { out = 1, err = 2 };
void put_output(Bytes& out, std::uint64_t context, Stream stream, ByteView text);

// Whole messages about buffer `number`. `why` is a store::BufferState.
[[nodiscard]] Bytes make_credit(std::uint64_t number, std::uint64_t up_to);
[[nodiscard]] Bytes make_refused(std::uint64_t number, std::uint8_t why);
[[nodiscard]] Bytes make_forgotten(std::uint64_t number);

// Whole messages about channel `number`, about processes, and PRESSURE. `up_to` is a sum of sizes.
enum class ClosedBy : std::uint8_t { python = 1, erlang = 2, too_many = 3 };
[[nodiscard]] Bytes make_channel_credit(std::uint64_t number, std::uint64_t up_to);
[[nodiscard]] Bytes make_channel_closed(std::uint64_t number, ClosedBy why);
[[nodiscard]] Bytes make_channel_forgotten(std::uint64_t number);
[[nodiscard]] Bytes make_want(std::uint64_t number);
[[nodiscard]] Bytes make_pressure(bool on);
[[nodiscard]] Bytes make_watch(std::uint64_t key, ByteView pid);
[[nodiscard]] Bytes make_unwatch(std::uint64_t key);
// Begins a SEND: the term follows. REQUIRES: `to` has at most 65535 bytes.
void put_send_header(Bytes& out, ByteView to);

}  // namespace pyport::wire
