#include "link/messages.hpp"

#include <doctest/doctest.h>

#include "etf/control.hpp"
#include "fakes.hpp"

namespace {

using namespace pyport;        // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::link;  // NOLINT(google-build-using-namespace) -- a test of one layer
using pyport::test::call_message;
using pyport::test::resource_message;

Inflow inflow() {
  return {Dispatcher::Submitter::reader, Clock::now(), {}};
}

Bytes number_term(std::uint64_t number) {
  etf::ControlWriter term;
  term.integer(number);
  return term.bytes();
}

TEST_CASE("messages: a write has had its effect before a request behind it is handed on") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  std::uint64_t submitted_before = 99;
  rig.resources.on_message = [&rig, &submitted_before] {
    submitted_before = rig.dispatcher.counts().requests;
  };
  const Bytes batch = test::batch_of(
      {resource_message(wire::Op::buffer_write, 1, Bytes{1, 2}), call_message(5, 0)});
  REQUIRE(rig.messages.packet(lane, batch, std::nullopt).ok());
  rig.messages.submit(lane);
  CHECK(submitted_before == 0);
  CHECK(rig.dispatcher.counts().requests == 1);
  REQUIRE(rig.resources.seen.size() == 1);
  CHECK(rig.resources.seen[0].second == Bytes{1, 2});
}

TEST_CASE("messages: every buffer operation reaches the buffers, in order") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  using wire::Op;
  const std::vector<Op> operations = {
      Op::buffer_write, Op::buffer_wait, Op::buffer_close, Op::buffer_drop};
  std::vector<Bytes> messages;
  messages.reserve(operations.size());
  for (const Op op : operations)
    messages.push_back(resource_message(op, 4, Bytes(op == Op::buffer_close ? 8 : 0)));
  REQUIRE(rig.messages.packet(lane, test::batch_of(messages), std::nullopt).ok());
  REQUIRE(rig.resources.seen.size() == operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i)
    CHECK(rig.resources.seen[i].first == operations[i]);
}

TEST_CASE("messages: requests before a control message are handed on before it is carried out") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  const Bytes ping = resource_message(wire::Op::ping, 2);
  const auto done = rig.messages.packet(lane, test::batch_of({call_message(5, 0), ping}), {});
  REQUIRE(done.ok());
  CHECK(lane.requests.empty());
  CHECK(rig.dispatcher.counts().requests == 1);
}

TEST_CASE("messages: BUFFER_INFO about a buffer that is gone is answered no_buffer") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  const auto ask = [&rig, &lane](std::uint64_t id, std::uint64_t number) {
    const Bytes message = resource_message(wire::Op::buffer_info, id, number_term(number));
    REQUIRE(rig.messages.packet(lane, message, std::nullopt).ok());
    return rig.answers();
  };
  etf::ControlWriter gone;
  gone.atom("no_buffer");
  CHECK(ask(7, 1) == test::packet(wire::make_answer(wire::Op::ok, 7, Bytes{131, 106})));
  CHECK(ask(8, 2) == test::packet(wire::make_answer(wire::Op::error, 8, gone.bytes())));
}

Bytes send_message(std::uint64_t number, std::size_t bytes) {
  return resource_message(wire::Op::channel_send, number, Bytes(bytes, 'x'));
}

TEST_CASE("messages: what a batch brings for one channel together reaches it in one call") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  const Bytes close = resource_message(wire::Op::channel_close, 1, Bytes(8));
  const Bytes batch = test::batch_of({send_message(1, 3),
                                      send_message(1, 0),
                                      send_message(2, 5),
                                      call_message(5, 0),
                                      send_message(1, 4),
                                      close});
  REQUIRE(rig.messages.packet(lane, batch, std::nullopt).ok());
  const auto& sent = rig.resources.sent;
  REQUIRE(sent.size() == 3);
  Bytes both = test::packet(send_message(1, 3));
  put_bytes(both, test::packet(send_message(1, 0)));
  CHECK(sent[0].channel == 1);
  CHECK(sent[0].count == 2);
  CHECK(sent[0].bytes == both);
  CHECK(sent[1].channel == 2);
  CHECK(sent[1].bytes == test::packet(send_message(2, 5)));
  CHECK(sent[2].bytes == test::packet(send_message(1, 4)));
  REQUIRE(rig.resources.seen.size() == 1);
  CHECK(rig.resources.seen[0].first == wire::Op::channel_close);
  CHECK(rig.traffic.in().messages == 6);
}

TEST_CASE("messages: one that comes alone has memory of its own when it is large or brings it") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  const Bytes small = send_message(1, 3);
  const Bytes large = send_message(1, 10'000);
  REQUIRE(rig.messages.packet(lane, small, std::nullopt).ok());
  REQUIRE(rig.messages.packet(lane, large, std::nullopt).ok());
  REQUIRE(rig.messages.packet(lane, small, Payload::copy_of(small).value()).ok());
  const auto& sent = rig.resources.sent;
  REQUIRE(sent.size() == 3);
  CHECK(sent[0].bytes == test::packet(small));
  CHECK_FALSE(sent[0].own);
  CHECK(sent[1].bytes == Bytes(10'000, 'x'));
  CHECK(sent[1].own);
  CHECK(sent[2].bytes == Bytes(3, 'x'));
  CHECK(sent[2].own);
  CHECK(rig.traffic.in().messages == 3);
}

TEST_CASE("messages: CHANNEL_INFO about a channel that is gone is answered no_channel") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  const auto ask = [&rig, &lane](std::uint64_t id, std::uint64_t number) {
    const Bytes message = resource_message(wire::Op::channel_info, id, number_term(number));
    REQUIRE(rig.messages.packet(lane, message, std::nullopt).ok());
    return rig.answers();
  };
  etf::ControlWriter gone;
  gone.atom("no_channel");
  CHECK(ask(7, 2) == test::packet(wire::make_answer(wire::Op::ok, 7, Bytes{131, 97, 2})));
  CHECK(ask(8, 1) == test::packet(wire::make_answer(wire::Op::error, 8, gone.bytes())));
}

TEST_CASE("messages: INFO counts buffers and the messages and bytes of every lane") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  rig.traffic.note_in({5, 700});
  rig.traffic.note_bulk_out({2, 90000});
  REQUIRE(rig.messages.packet(lane, resource_message(wire::Op::info, 9), std::nullopt).ok());
  const Bytes answer = rig.answers();
  const std::string text(as_chars(answer));
  const auto has = [&text](const char* name, std::uint64_t value) {
    etf::ControlWriter pair;
    pair.atom(name).integer(value);
    const Bytes term = pair.bytes();
    return text.find(as_chars(ByteView(term).subspan(1))) != std::string::npos;
  };
  CHECK(has("buffers", 3));
  CHECK(has("buffer_memory_bytes", 2000));
  CHECK(has("buffer_file_bytes", 1000));
  CHECK(has("channels", 4));
  CHECK(has("channel_bytes", 500));
  CHECK(has("frames_in", 5));  // INFO itself is counted with its packet, when that is done
  CHECK(has("bytes_in", 700));
  CHECK(has("frames_out", 2));
  CHECK(has("bytes_out", 90000));
}

TEST_CASE("messages: what only the program sends, and an empty batch, are errors") {
  test::MessagesRig rig;
  Inflow lane = inflow();
  CHECK_FALSE(rig.messages.packet(lane, Bytes{0x7f}, std::nullopt).ok());
  CHECK_FALSE(rig.messages.packet(lane, resource_message(wire::Op::ok, 1), std::nullopt).ok());
  CHECK_FALSE(
      rig.messages.packet(lane, resource_message(wire::Op::buffer_credit, 1), std::nullopt).ok());
}

}  // namespace
