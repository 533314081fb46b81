#include "wire/message.hpp"

#include <string>

namespace pyport::wire {
namespace {

bool is_control(std::uint8_t op) noexcept {
  return op >= static_cast<std::uint8_t>(Op::hello) &&
         op <= static_cast<std::uint8_t>(Op::context_close);
}

}  // namespace

bool is_run(Op op) noexcept {
  return op >= Op::call && op <= Op::env_drop;
}

Result<Message> parse_message(ByteView message) {
  if (message.empty()) return Error{Errc::protocol, "an empty message"};
  const std::uint8_t op = message[0];
  const bool run = is_run(static_cast<Op>(op));
  if (!run && !is_control(op))
    return Error{Errc::protocol, "unknown operation " + std::to_string(op)};
  const std::size_t header = run ? kRunHeaderBytes : kControlHeaderBytes;
  if (message.size() < header) {
    return Error{Errc::protocol,
                 "a message of " + std::to_string(message.size()) + " bytes for operation " +
                     std::to_string(op) + ", which has a header of " + std::to_string(header)};
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
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace pyport::wire
