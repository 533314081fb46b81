#include <doctest/doctest.h>

#include "../link/fakes.hpp"
#include "etf/control.hpp"
#include "rig.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test of where layers meet
using store::BufferState;

using test::first_reference;
using test::other_reference;
using Rig = test::MessagesOfHost;

TEST_CASE("store messages: BUFFER_NEW makes a buffer with the options it names") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference, 50, 1).ok());
  const auto buffer = rig.buffers.find(1);
  REQUIRE(buffer != nullptr);
  CHECK(rig.buffers.find(ByteView(first_reference)) == buffer);
  CHECK(buffer->options().length == 50);
  CHECK(buffer->options().retain == store::Retain::all);
  CHECK(buffer->options().window == 65536);
  CHECK(buffer->options().bytes_max == 4096);
  CHECK(buffer->options().overflow_threshold == 100);
  REQUIRE(rig.make(2, other_reference).ok());
  CHECK_FALSE(rig.buffers.find(2)->options().length.has_value());
}

TEST_CASE("store messages: a number or a reference that is in use breaks the lane") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  CHECK_FALSE(rig.make(1, other_reference).ok());
  CHECK_FALSE(rig.make(2, first_reference).ok());
}

TEST_CASE("store messages: one buffer too many is refused, and the lane goes on") {
  Rig rig;
  Bytes third = first_reference;
  third.back() = 9;
  REQUIRE(rig.make(1, first_reference).ok());
  REQUIRE(rig.make(2, other_reference).ok());
  REQUIRE(rig.make(3, third).ok());
  REQUIRE(rig.events.refusals.size() == 1);
  CHECK(rig.events.refusals[0].first == 3);
  CHECK(rig.events.refusals[0].second == BufferState::too_many);
}

TEST_CASE("store messages: what is written can be read, and ends with the close") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  REQUIRE(rig.tell(wire::Op::buffer_write, 1, Bytes{1, 2, 3}).ok());
  REQUIRE(rig.tell(wire::Op::buffer_close, 1, Bytes{0, 0, 0, 0, 0, 0, 0, 3}).ok());
  const auto buffer = rig.buffers.find(1);
  const auto pin = buffer->take(0);
  CHECK(Bytes(pin.bytes().begin(), pin.bytes().end()) == Bytes{1, 2, 3});
  CHECK(buffer->poll(store::Buffer::Need::some, 0) == store::Buffer::Wait::ended);
  CHECK(buffer->position().state == BufferState::ended);
}

TEST_CASE("store messages: a close that knows of more bytes than came cuts the content off") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  REQUIRE(rig.tell(wire::Op::buffer_write, 1, Bytes{1, 2, 3}).ok());
  REQUIRE(rig.tell(wire::Op::buffer_close, 1, Bytes{0, 0, 0, 0, 0, 0, 0, 4}).ok());
  CHECK(rig.buffers.find(1)->position().state == BufferState::writer_died);
}

TEST_CASE("store messages: a drop before the close cuts the content off") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  const auto buffer = rig.buffers.find(1);
  REQUIRE(rig.tell(wire::Op::buffer_drop, 1).ok());
  CHECK(buffer->position().state == BufferState::writer_died);
  CHECK(rig.buffers.find(1) == nullptr);
  CHECK(rig.messages.counts().buffers == 0);
}

TEST_CASE("store messages: what comes for a buffer that is gone is ignored") {
  Rig rig;
  for (const wire::Op op : {wire::Op::buffer_write,
                            wire::Op::buffer_close,
                            wire::Op::buffer_drop,
                            wire::Op::buffer_wait})
    CHECK(rig.tell(op, 77, Bytes(8)).ok());
  CHECK_FALSE(rig.messages.buffer_info(77).has_value());
}

TEST_CASE("store messages: BUFFER_INFO says where the buffer stands") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  REQUIRE(rig.tell(wire::Op::buffer_write, 1, Bytes(10, 1)).ok());
  const auto buffer = rig.buffers.find(1);
  static_cast<void>(buffer->take(4));
  const auto state_named = [&rig](const char* name) {
    etf::ControlWriter pair;
    pair.atom("state").atom(name);
    const Bytes info = rig.messages.buffer_info(1).value_or(Bytes());
    const Bytes wanted = pair.bytes();
    return as_chars(info).find(as_chars(ByteView(wanted).subspan(1))) != std::string_view::npos;
  };
  etf::ControlWriter start;
  start.map(6).atom("written").integer(10).atom("read").integer(4);
  const Bytes info = rig.messages.buffer_info(1).value_or(Bytes());
  CHECK(as_chars(info).starts_with(as_chars(start.bytes())));
  CHECK(state_named("open"));
  buffer->close_reader();
  CHECK(state_named("reader_closed"));
}

TEST_CASE("store messages: the bulk lane writes into the memory of the buffer") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  host::StoreWrites writes(rig.buffers);
  CHECK_FALSE(writes.select(2));
  REQUIRE(writes.select(1));
  const std::span<std::uint8_t> room = writes.reserve(5);
  REQUIRE(room.size() == 5);
  std::fill(room.begin(), room.end(), std::uint8_t{9});
  writes.commit(3);
  writes.release();
  const auto pin = rig.buffers.find(1)->take(0);
  CHECK(Bytes(pin.bytes().begin(), pin.bytes().end()) == Bytes(3, 9));
}

TEST_CASE("store messages: a close beside a write of the lane gives the content back") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  host::StoreWrites writes(rig.buffers);
  {
    const auto buffer = rig.buffers.find(1);
    rig.buffers.held(buffer);
    buffer->append(first_reference);
    REQUIRE(writes.select(1));
    REQUIRE_FALSE(writes.reserve(10).empty());
    static_cast<void>(buffer->take(0));
    REQUIRE(rig.tell(wire::Op::buffer_close, 1, Bytes{0, 0, 0, 0, 0, 0, 0, 14}).ok());
    rig.buffers.released(buffer);
    CHECK(rig.buffers.counts().memory_bytes > 0);
  }
  writes.commit(0);
  SUBCASE("when it lets go of it") {
    writes.release();
  }
  SUBCASE("when it writes to another") {
    CHECK_FALSE(writes.select(2));
  }
  CHECK(rig.buffers.counts().memory_bytes == 0);
}

}  // namespace
