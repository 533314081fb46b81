#include "wire/message.hpp"

#include <bit>
#include <string>

namespace pyport::wire {
namespace {

bool is_control(std::uint8_t op) noexcept {
  return op >= static_cast<std::uint8_t>(Op::hello) &&
         op <= static_cast<std::uint8_t>(Op::buffer_info);
}

// CLOSE has a total behind its header, DROP and WAIT nothing; more would be somebody's data.
bool has_body(Op op) noexcept {
  return op == Op::buffer_new || op == Op::buffer_write;
}

}  // namespace

bool is_run(Op op) noexcept {
  return op >= Op::call && op <= Op::env_drop;
}

bool is_buffer(Op op) noexcept {
  return op >= Op::buffer_new && op <= Op::buffer_wait;
}

Result<Message> parse_message(ByteView message) {
  if (message.empty()) return Error{Errc::protocol, "an empty message"};
  const std::uint8_t op = message[0];
  const bool run = is_run(static_cast<Op>(op));
  const bool buffer = is_buffer(static_cast<Op>(op));
  if (!run && !buffer && !is_control(op))
    return Error{Errc::protocol, "unknown operation " + std::to_string(op)};
  const std::size_t header = run ? kRunHeaderBytes : kControlHeaderBytes;
  if (message.size() < header) {
    return Error{Errc::protocol,
                 "a message of " + std::to_string(message.size()) + " bytes for operation " +
                     std::to_string(op) + ", which has a header of " + std::to_string(header)};
  }
  const std::size_t whole = header + (static_cast<Op>(op) == Op::buffer_close ? kTotalBytes : 0);
  if (buffer && !has_body(static_cast<Op>(op)) && message.size() != whole) {
    return Error{Errc::protocol,
                 "a message of " + std::to_string(message.size()) + " bytes for operation " +
                     std::to_string(op) + ", which has " + std::to_string(whole)};
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
  constexpr std::uint8_t kTermVersion = 131;
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

void put_output(Bytes& out, std::uint64_t context, Stream stream, ByteView text) {
  put_answer_header(out, Op::output, context);
  out.push_back(static_cast<std::uint8_t>(stream));
  put_bytes(out, text);
}

Bytes make_credit(std::uint64_t number, std::uint64_t up_to) {
  Bytes message;
  put_answer_header(message, Op::buffer_credit, number);
  put_u64(message, up_to);
  return message;
}

Bytes make_refused(std::uint64_t number, std::uint8_t why) {
  Bytes message;
  put_answer_header(message, Op::buffer_refused, number);
  put_u8(message, why);
  return message;
}

Bytes make_forgotten(std::uint64_t number) {
  Bytes message;
  put_answer_header(message, Op::buffer_forgotten, number);
  return message;
}

}  // namespace pyport::wire
