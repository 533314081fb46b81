// The BEAM's messages about channels, and what the program says about them.
#include <doctest/doctest.h>

#include "etf/control.hpp"
#include "rig.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test of where layers meet
using store::Channel;
using test::first_reference;
using test::other_reference;
using wire::Op;

struct Rig : test::MessagesOfHost {
  Result<Done> make_channel(std::uint64_t number,
                            ByteView reference,
                            std::uint64_t bytes_max = 40,
                            std::uint8_t kind = 0) {
    Bytes body{kind};
    put_u64(body, bytes_max);
    put_u8(body, 131);
    put_bytes(body, reference);
    return tell(Op::channel_new, number, body);
  }
  void send(std::uint64_t number, std::string_view text) {
    Bytes entry;
    put_u32(entry, static_cast<std::uint32_t>(9 + text.size()));
    put_u8(entry, static_cast<std::uint8_t>(Op::channel_send));
    put_u64(entry, number);
    put_bytes(entry, as_bytes(text));
    messages.send(number, entry, 1);
  }
  static Bytes of(std::uint64_t value) {
    Bytes body;
    put_u64(body, value);
    return body;
  }
  // Everything that was said since the last call.
  Bytes said() {
    writer.try_flush();
    return pipe.take();
  }
};

std::string text_of(const std::optional<Channel::Taken>& taken) {
  return taken ? std::string(as_chars(taken->bytes)) : "(none)";
}

TEST_CASE("channel messages: CHANNEL_NEW makes a channel with the options it names") {
  Rig rig;
  REQUIRE(rig.make_channel(1, first_reference, 4096, 1).ok());
  const auto channel = rig.channels.find(1);
  REQUIRE(channel != nullptr);
  CHECK(rig.channels.find(ByteView(first_reference)) == channel);
  CHECK(channel->options().kind == store::ChannelKind::bytes);
  CHECK(channel->options().bytes_max == 4096);
  REQUIRE(rig.make_channel(2, other_reference).ok());
  CHECK(rig.channels.find(2)->options().kind == store::ChannelKind::terms);
}

TEST_CASE("channel messages: a number or reference in use, and number 0, break the lane") {
  Rig rig;
  REQUIRE(rig.make_channel(1, first_reference).ok());
  CHECK_FALSE(rig.make_channel(1, other_reference).ok());
  CHECK_FALSE(rig.make_channel(2, first_reference).ok());
  CHECK_FALSE(rig.make_channel(0, other_reference).ok());
}

TEST_CASE("channel messages: one channel too many is refused, and the lane goes on") {
  Rig rig;
  Bytes third = first_reference;
  third.back() = 9;
  REQUIRE(rig.make_channel(1, first_reference).ok());
  REQUIRE(rig.make_channel(2, other_reference).ok());
  REQUIRE(rig.make_channel(3, third).ok());
  CHECK(rig.said() == test::packet(wire::make_channel_closed(3, wire::ClosedBy::too_many)));
  CHECK(rig.channels.find(3) == nullptr);
}

TEST_CASE("channel messages: what is sent is taken, and the taking is told who asks") {
  Rig rig;
  REQUIRE(rig.make_channel(1, first_reference).ok());
  rig.send(1, "abc");
  Bytes own = first_reference;
  rig.messages.send(1, Payload::copy_of(own).value(), 9);
  const auto channel = rig.channels.find(1);
  CHECK(text_of(channel->try_take()) == "abc");
  REQUIRE(rig.tell(Op::channel_wait, 1).ok());
  CHECK(rig.said() == test::packet(wire::make_channel_credit(1, 3)));
  CHECK(channel->try_take()->bytes.size() == own.size() - 9);
}

TEST_CASE("channel messages: CHANNEL_TAKEN makes room for what Python sends") {
  Rig rig;
  REQUIRE(rig.make_channel(1, first_reference, 10).ok());
  const auto channel = rig.channels.find(1);
  REQUIRE(channel->take_room(10) == Channel::Room::taken);
  CHECK(channel->take_room(1) == Channel::Room::full);
  const std::uint64_t charged = rig.channels.budget().outgoing().memory_bytes();
  Bytes taken = Rig::of(4);
  put_u64(taken, 1);
  REQUIRE(rig.tell(Op::channel_taken, 1, taken).ok());
  CHECK(rig.channels.budget().outgoing().memory_bytes() ==
        charged - 4 - store::kMessageOverheadBytes);
  CHECK(channel->take_room(4) == Channel::Room::taken);
}

TEST_CASE("channel messages: CHANNEL_CLOSE ends it at its total, and is answered by CLOSED") {
  Rig rig;
  REQUIRE(rig.make_channel(1, first_reference).ok());
  REQUIRE(rig.tell(Op::channel_close, 1, Rig::of(2)).ok());
  CHECK(rig.said() == test::packet(wire::make_channel_closed(1, wire::ClosedBy::erlang)));
  const auto channel = rig.channels.find(1);
  CHECK_FALSE(channel->ended());
  rig.send(1, "ab");
  CHECK(text_of(channel->try_take()) == "ab");
  CHECK(channel->ended());
}

TEST_CASE("channel messages: a drop ends it, and it is found until earlier messages are decoded") {
  Rig rig;
  REQUIRE(rig.make_channel(1, first_reference).ok());
  REQUIRE(rig.make_channel(2, other_reference).ok());
  rig.send(2, "names the first");
  const auto carrier = rig.channels.find(2);
  const auto channel = rig.channels.find(1);
  REQUIRE(rig.tell(Op::channel_drop, 1).ok());
  CHECK(channel->ended());
  CHECK(rig.channels.find(1) == nullptr);
  CHECK(rig.channels.find(ByteView(first_reference)) == channel);
  {
    const auto taken = carrier->try_take();
    rig.dropped.forget();
    CHECK(rig.channels.find(ByteView(first_reference)) == channel);
  }
  rig.dropped.forget();
  CHECK(rig.channels.find(ByteView(first_reference)) == nullptr);
}

TEST_CASE("channel messages: a buffer is found while a queued message that may name it is there") {
  Rig rig;
  Bytes third = first_reference;
  third.back() = 9;
  REQUIRE(rig.make(1, first_reference).ok());
  REQUIRE(rig.make_channel(1, other_reference).ok());
  REQUIRE(rig.make_channel(2, third).ok());
  rig.send(1, "names the buffer");
  REQUIRE(rig.tell(Op::channel_drop, 2).ok());  // another drop in between
  REQUIRE(rig.tell(Op::buffer_drop, 1).ok());
  rig.dropped.forget();
  CHECK(rig.buffers.find(ByteView(first_reference)) != nullptr);
  const auto channel = rig.channels.find(ByteView(other_reference));
  REQUIRE(channel != nullptr);
  CHECK(text_of(channel->try_take()) == "names the buffer");
  rig.dropped.forget();
  CHECK(rig.buffers.find(ByteView(first_reference)) == nullptr);
}

TEST_CASE(
    "channel messages: a channel that was dropped unread keeps no buffer that is dropped later") {
  Rig rig;
  REQUIRE(rig.make(1, first_reference).ok());
  REQUIRE(rig.make_channel(1, other_reference).ok());
  rig.send(1, "unread");
  const auto held = rig.channels.find(1);
  REQUIRE(rig.tell(Op::channel_drop, 1).ok());
  REQUIRE(rig.tell(Op::buffer_drop, 1).ok());
  CHECK(rig.channels.find(ByteView(other_reference)) == nullptr);
  CHECK(rig.buffers.find(ByteView(first_reference)) == nullptr);
  CHECK(text_of(held->try_take()) == "unread");
}

TEST_CASE("channel messages: what is for a channel that is gone is ignored") {
  Rig rig;
  rig.send(77, "x");
  rig.messages.send(77, Payload::copy_of(first_reference).value(), 9);
  Bytes taken = Rig::of(1);
  put_u64(taken, 1);
  CHECK(rig.tell(Op::channel_close, 77, Rig::of(1)).ok());
  CHECK(rig.tell(Op::channel_taken, 77, taken).ok());
  for (const Op op : {Op::channel_drop, Op::channel_wait})
    CHECK(rig.tell(op, 77).ok());
  CHECK_FALSE(rig.messages.channel_info(77).has_value());
  CHECK(rig.said().empty());
}

TEST_CASE("channel messages: CHANNEL_INFO and INFO say what is queued, taken and sent") {
  Rig rig;
  REQUIRE(rig.make_channel(1, first_reference).ok());
  rig.send(1, "abc");
  rig.send(1, "de");
  const auto channel = rig.channels.find(1);
  static_cast<void>(channel->try_take());
  REQUIRE(channel->take_room(7) == Channel::Room::taken);
  etf::ControlWriter expected;
  expected.map(5).atom("messages").integer(1).atom("size").integer(2);
  expected.atom("taken").integer(3).atom("outgoing").integer(7).atom("closed").atom("false");
  CHECK(rig.messages.channel_info(1).value_or(Bytes()) == expected.bytes());
  CHECK(rig.messages.counts().channels == 1);
  CHECK(rig.messages.counts().channel_bytes > 0);
}

TEST_CASE("channel messages: Python's close, WAIT, PRESSURE and FORGOTTEN are told the BEAM") {
  Rig rig;
  const auto says = [&rig](const Bytes& message) {
    const bool same = rig.said() == test::packet(message);
    return same;
  };
  rig.channel_events.closed(1, true);
  CHECK(says(wire::make_channel_closed(1, wire::ClosedBy::python)));
  rig.channel_events.want(0);
  CHECK(says(wire::make_want(0)));
  rig.channel_events.pressure(true);
  CHECK(says(wire::make_pressure(true)));
  rig.channel_events.forgotten(4);
  CHECK(says(wire::make_channel_forgotten(4)));
}

TEST_CASE("channel messages: what the BEAM says of processes reaches them") {
  Rig rig;
  const Bytes pid{1, 2, 3};
  CHECK(rig.processes->look(pid) == store::Processes::State::asked);
  CHECK(rig.said() == test::packet(wire::make_watch(1, pid)));
  REQUIRE(rig.tell(Op::process, 1, Bytes{1}).ok());
  CHECK(rig.processes->look(pid) == store::Processes::State::alive);
  REQUIRE(rig.processes->take_room(store::kMessageWindowBytes));
  CHECK_FALSE(rig.processes->take_room(1));
  REQUIRE(rig.tell(Op::messages_taken, 0, Rig::of(store::kMessageWindowBytes)).ok());
  CHECK(rig.processes->take_room(1));
}

}  // namespace
