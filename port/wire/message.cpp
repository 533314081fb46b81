#include "wire/message.hpp"

#include <bit>
#include <optional>
#include <string>

namespace pyport::wire {
namespace {

constexpr std::uint8_t kTermVersion = 131;

bool is_control(std::uint8_t op) noexcept {
  return op >= static_cast<std::uint8_t>(Op::hello) &&
         op <= static_cast<std::uint8_t>(Op::channel_info);
}

// Of a message about a buffer, a channel or a process: what stands behind the header. More would be
// somebody's data. Nullopt: as much as there is.
std::optional<std::size_t> body_bytes(Op op) noexcept {
  switch (op) {
    case Op::buffer_new:
    case Op::buffer_write:
    case Op::channel_new:
    case Op::channel_send:
      return std::nullopt;
    case Op::buffer_close:
    case Op::channel_close:
    case Op::messages_taken:
      return kTotalBytes;
    case Op::channel_taken:
      return kTakenBytes;
    case Op::process:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

bool is_run(Op op) noexcept {
  return op >= Op::call && op <= Op::env_drop;
}

bool is_buffer(Op op) noexcept {
  return op >= Op::buffer_new && op <= Op::buffer_wait;
}

bool is_channel(Op op) noexcept {
  return op >= Op::channel_new && op <= Op::process;
}

Result<Message> parse_message(ByteView message) {
  if (message.empty()) return Error{Errc::protocol, "an empty message"};
  const std::uint8_t op = message[0];
  const bool run = is_run(static_cast<Op>(op));
  const bool resource = is_buffer(static_cast<Op>(op)) || is_channel(static_cast<Op>(op));
  if (!run && !resource && !is_control(op))
    return Error{Errc::protocol, "unknown operation " + std::to_string(op)};
  const std::size_t header = run ? kRunHeaderBytes : kControlHeaderBytes;
  if (message.size() < header) {
    return Error{Errc::protocol,
                 "a message of " + std::to_string(message.size()) + " bytes for operation " +
                     std::to_string(op) + ", which has a header of " + std::to_string(header)};
  }
  const auto body = resource ? body_bytes(static_cast<Op>(op)) : std::nullopt;
  if (body && message.size() != header + *body) {
    return Error{Errc::protocol,
                 "a message of " + std::to_string(message.size()) + " bytes for operation " +
                     std::to_string(op) + ", which has " + std::to_string(header + *body)};
  }
  Message parsed;
  parsed.op = static_cast<Op>(op);
  parsed.id = load_u64(message.data() + 1);
  parsed.term_offset = header;
  if (run) {
    parsed.flags = message[9];
    parsed.context = load_u32(message.data() + 10);
    parsed.env = load_u64(message.data() + 14);
    parsed.timeout_ms = load_u32(message.data() + 22);
  }
  return parsed;
}

Result<BufferNew> parse_buffer_new(ByteView body) {
  if (body.size() < kBufferNewBytes + 2) {
    return Error{Errc::protocol,
                 "a BUFFER_NEW with " + std::to_string(body.size()) + " bytes behind its number"};
  }
  const std::uint8_t* const at = body.data();
  BufferNew parsed;
  parsed.retain_all = at[0] == 1;
  parsed.window = load_u32(at + 1);
  parsed.length = load_u64(at + 5);
  parsed.bytes_max = load_u64(at + 13);
  parsed.overflow_threshold = load_u64(at + 21);
  parsed.reference = body.subspan(kBufferNewBytes + 1);
  if (at[0] > 1) return Error{Errc::protocol, "a BUFFER_NEW that retains " + std::to_string(at[0])};
  if (!std::has_single_bit(parsed.window) || parsed.window < BufferNew::kWindowBytesMin) {
    return Error{Errc::protocol,
                 "a BUFFER_NEW with a window of " + std::to_string(parsed.window) + " bytes"};
  }
  if (at[kBufferNewBytes] != kTermVersion)
    return Error{Errc::protocol, "a BUFFER_NEW whose reference is no term"};
  return parsed;
}

Result<ChannelNew> parse_channel_new(ByteView body) {
  if (body.size() < kChannelNewBytes + 2) {
    return Error{Errc::protocol,
                 "a CHANNEL_NEW with " + std::to_string(body.size()) + " bytes behind its number"};
  }
  if (body[0] > 1)
    return Error{Errc::protocol, "a CHANNEL_NEW of the kind " + std::to_string(body[0])};
  if (body[kChannelNewBytes] != kTermVersion)
    return Error{Errc::protocol, "a CHANNEL_NEW whose reference is no term"};
  return ChannelNew{body[0] == 1, load_u64(body.data() + 1), body.subspan(kChannelNewBytes + 1)};
}

void put_answer_header(Bytes& out, Op op, std::uint64_t id) {
  out.push_back(static_cast<std::uint8_t>(op));
  put_u64(out, id);
}

Bytes make_answer(Op op, std::uint64_t id, ByteView term) {
  Bytes message;
  message.reserve(kControlHeaderBytes + term.size());
  put_answer_header(message, op, id);
  put_bytes(message, term);
  return message;
}

namespace {

Bytes header_of(Op op, std::uint64_t id) {
  Bytes message;
  put_answer_header(message, op, id);
  return message;
}

Bytes with_u64(Op op, std::uint64_t id, std::uint64_t value) {
  Bytes message = header_of(op, id);
  put_u64(message, value);
  return message;
}

Bytes with_u8(Op op, std::uint64_t id, std::uint8_t value) {
  Bytes message = header_of(op, id);
  put_u8(message, value);
  return message;
}

}  // namespace

void put_output(Bytes& out, std::uint64_t context, Stream stream, ByteView text) {
  put_answer_header(out, Op::output, context);
  out.push_back(static_cast<std::uint8_t>(stream));
  put_bytes(out, text);
}

Bytes make_credit(std::uint64_t number, std::uint64_t up_to) {
  return with_u64(Op::buffer_credit, number, up_to);
}

Bytes make_refused(std::uint64_t number, std::uint8_t why) {
  return with_u8(Op::buffer_refused, number, why);
}

Bytes make_forgotten(std::uint64_t number) {
  return header_of(Op::buffer_forgotten, number);
}

Bytes make_channel_credit(std::uint64_t number, std::uint64_t up_to) {
  return with_u64(Op::channel_credit, number, up_to);
}

Bytes make_channel_closed(std::uint64_t number, ClosedBy why) {
  return with_u8(Op::channel_closed, number, static_cast<std::uint8_t>(why));
}

Bytes make_channel_forgotten(std::uint64_t number) {
  return header_of(Op::channel_forgotten, number);
}

Bytes make_want(std::uint64_t number) {
  return header_of(Op::want, number);
}

Bytes make_pressure(bool on) {
  return with_u8(Op::pressure, 0, on ? 1 : 0);
}

Bytes make_watch(std::uint64_t key, ByteView pid) {
  return make_answer(Op::watch, key, pid);
}

Bytes make_unwatch(std::uint64_t key) {
  return header_of(Op::unwatch, key);
}

void put_send_header(Bytes& out, ByteView to) {
  put_answer_header(out, Op::send, 0);
  put_u16(out, static_cast<std::uint16_t>(to.size()));
  put_bytes(out, to);
}

}  // namespace pyport::wire
