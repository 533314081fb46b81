// The golden vectors of docs/protocol.md, as the program reads and writes them.
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "etf/control.hpp"
#include "etf/request.hpp"
#include "wire/message.hpp"
#include "wire/packet.hpp"

namespace {

using pyport::as_bytes;
using pyport::Bytes;
using pyport::ByteView;
using pyport::etf::ControlWriter;
using pyport::wire::Op;

std::map<std::string, Bytes> read_vectors() {
  std::map<std::string, Bytes> vectors;
  std::ifstream file(PYPORT_VECTORS_DIR "/frames.txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::string hex;
    if (line.starts_with('#') || !(words >> name >> hex)) continue;
    Bytes& bytes = vectors[name];
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      bytes.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return vectors;
}

// True when a message's term is of the form that its operation asks for.
bool term_is_well_formed(Op op, ByteView term) {
  switch (op) {
    case Op::hello:
      return pyport::etf::read_hello(term).ok();
    case Op::interrupt:
    case Op::context_close:
      return pyport::etf::read_context(term).ok();
    case Op::context_open:
      return pyport::etf::read_context_open(term).ok();
    case Op::call:
      return pyport::etf::split_call(term).ok();
    case Op::eval:
      return pyport::etf::split_eval(term).ok();
    case Op::exec:
      return pyport::etf::split_exec(term).ok();
    case Op::buffer_new:
      return pyport::wire::parse_buffer_new(term).ok();
    case Op::buffer_write:
    case Op::buffer_close:  // parse_message() asks for the total
    case Op::channel_send:
    case Op::channel_close:
    case Op::channel_taken:
    case Op::messages_taken:
    case Op::process:
      return true;
    case Op::channel_new:
      return pyport::wire::parse_channel_new(term).ok();
    case Op::buffer_info:
    case Op::channel_info:
      return pyport::etf::read_natural(term).ok();
    default:
      return term.empty();
  }
}

// True when every message of the packet is well formed, header and term.
bool is_well_formed(ByteView content) {
  pyport::wire::PacketWalk walk(content);
  if (!walk.more()) return false;
  while (walk.more()) {
    auto message = walk.next();
    if (!message.ok()) return false;
    auto head = pyport::wire::parse_message(message.value());
    if (!head.ok()) return false;
    const ByteView term = message.value().subspan(head.value().term_offset);
    if (!term_is_well_formed(head.value().op, term)) return false;
  }
  return true;
}

Bytes answer(Op op, std::uint64_t id, const ControlWriter& term) {
  return pyport::wire::make_answer(op, id, term.bytes());
}

TEST_CASE("golden vectors: what the BEAM sends is understood, what breaks the link is refused") {
  const auto vectors = read_vectors();
  REQUIRE(vectors.size() > 30);
  for (const auto& vector : vectors) {
    const std::string& name = vector.first;  // CAPTURE takes no structured binding with clang
    const Bytes& bytes = vector.second;
    CAPTURE(name);
    if (name.starts_with("to.")) CHECK(is_well_formed(bytes));
    if (name.starts_with("bad.") && !name.starts_with("bad.from"))
      CHECK_FALSE(is_well_formed(bytes));
  }
}

TEST_CASE("golden vectors: what the program writes itself is what they say") {
  const auto vectors = read_vectors();
  const auto atom = [](Op op, const char* name) {
    ControlWriter term;
    term.atom(name);
    return answer(op, op == Op::dying ? 0 : 1, term);
  };
  CHECK(vectors.at("from.error_timeout") == atom(Op::error, "timeout"));
  CHECK(vectors.at("from.error_interrupted") == atom(Op::error, "interrupted"));
  CHECK(vectors.at("from.error_context_destroyed") == atom(Op::error, "context_destroyed"));
  CHECK(vectors.at("from.error_no_context") == atom(Op::error, "no_context"));
  CHECK(vectors.at("from.dying") == atom(Op::dying, "killed_after_timeout"));
  CHECK(vectors.at("from.dying_memory") == atom(Op::dying, "memory_limit"));

  ControlWriter overloaded;
  overloaded.tuple(3).atom("overloaded").integer(10000).integer(10000);
  CHECK(vectors.at("from.error_overloaded") == answer(Op::error, 1, overloaded));
  ControlWriter bad_request;
  bad_request.tuple(2).atom("bad_request").binary("why");
  CHECK(vectors.at("from.error_bad_request") == answer(Op::error, 1, bad_request));

  Bytes line;
  pyport::wire::put_output(line, 1, pyport::wire::Stream::out, as_bytes("h\xc3\xa9"));
  CHECK(vectors.at("from.output_stdout") == line);
}

TEST_CASE(
    "golden vectors: what the program says about buffers and the bulk lane is what they say") {
  const auto vectors = read_vectors();
  Bytes bulk;
  pyport::wire::put_answer_header(bulk, Op::bulk, 1);
  CHECK(vectors.at("from.bulk") == bulk);
  CHECK(vectors.at("from.buffer_credit") == pyport::wire::make_credit(1, 4U << 20));
  CHECK(vectors.at("from.buffer_refused") == pyport::wire::make_refused(1, 3));
  CHECK(vectors.at("from.buffer_forgotten") == pyport::wire::make_forgotten(1));
}

TEST_CASE("golden vectors: a BUFFER_NEW says what they describe") {
  const auto vectors = read_vectors();
  const ByteView stream = ByteView(vectors.at("to.buffer_new"));
  auto head = pyport::wire::parse_message(stream);
  REQUIRE(head.ok());
  CHECK(head.value().id == 1);
  auto parsed = pyport::wire::parse_buffer_new(stream.subspan(head.value().term_offset));
  REQUIRE(parsed.ok());
  CHECK_FALSE(parsed.value().retain_all);
  CHECK(parsed.value().window == 2U << 20);
  CHECK(parsed.value().length == pyport::wire::BufferNew::kNoLength);
  CHECK(parsed.value().bytes_max == ~std::uint64_t{0});
  CHECK(parsed.value().overflow_threshold == 1U << 20);
  CHECK(parsed.value().reference[0] == 'Z');  // NEWER_REFERENCE_EXT, no version byte

  const ByteView known = ByteView(vectors.at("to.buffer_new_length"));
  parsed = pyport::wire::parse_buffer_new(known.subspan(pyport::wire::kControlHeaderBytes));
  REQUIRE(parsed.ok());
  CHECK(parsed.value().retain_all);
  CHECK(parsed.value().window == 65536);
  CHECK(parsed.value().length == 1000);
  CHECK(parsed.value().bytes_max == 4096);
}

TEST_CASE("golden vectors: what the program says about channels is what they say") {
  namespace wire = pyport::wire;
  const auto vectors = read_vectors();
  const Bytes term{131, 97, 1};
  CHECK(vectors.at("from.channel_message") == wire::make_answer(Op::channel_message, 1, term));
  CHECK(vectors.at("from.channel_message_empty") == wire::make_answer(Op::channel_message, 2, {}));
  CHECK(vectors.at("from.channel_credit") == wire::make_channel_credit(1, 4096));
  using By = wire::ClosedBy;
  CHECK(vectors.at("from.channel_closed_python") == wire::make_channel_closed(1, By::python));
  CHECK(vectors.at("from.channel_closed_erlang") == wire::make_channel_closed(1, By::erlang));
  CHECK(vectors.at("from.channel_closed_too_many") == wire::make_channel_closed(1, By::too_many));
  CHECK(vectors.at("from.channel_forgotten") == wire::make_channel_forgotten(1));
  CHECK(vectors.at("from.channel_wait") == wire::make_want(1));
  CHECK(vectors.at("from.channel_wait_all") == wire::make_want(0));
  CHECK(vectors.at("from.pressure") == wire::make_pressure(true));
  CHECK(vectors.at("from.pressure_over") == wire::make_pressure(false));
  ControlWriter no_channel;
  no_channel.atom("no_channel");
  CHECK(vectors.at("from.error_no_channel") == answer(Op::error, 14, no_channel));
}

TEST_CASE("golden vectors: what the program says to and about processes is what they say") {
  const auto vectors = read_vectors();
  const ByteView watch = vectors.at("from.watch");
  const ByteView pid = watch.subspan(pyport::wire::kControlHeaderBytes);
  CHECK(vectors.at("from.watch") == pyport::wire::make_watch(7, pid));
  CHECK(vectors.at("from.unwatch") == pyport::wire::make_unwatch(7));
  Bytes send;
  pyport::wire::put_send_header(send, pid);
  pyport::put_bytes(send, Bytes{131, 97, 1});
  CHECK(vectors.at("from.send") == send);
}

TEST_CASE("golden vectors: a CHANNEL_NEW says what they describe") {
  const auto vectors = read_vectors();
  const auto parse = [&vectors](const char* name) {
    const ByteView message = vectors.at(name);
    return pyport::wire::parse_channel_new(message.subspan(pyport::wire::kControlHeaderBytes));
  };
  auto terms = parse("to.channel_new");
  REQUIRE(terms.ok());
  CHECK_FALSE(terms.value().raw);
  CHECK(terms.value().bytes_max == 1U << 20);
  CHECK(terms.value().reference[0] == 'Z');  // NEWER_REFERENCE_EXT, no version byte
  auto bytes = parse("to.channel_new_bytes");
  REQUIRE(bytes.ok());
  CHECK(bytes.value().raw);
  CHECK(bytes.value().bytes_max == 0);
}

}  // namespace
