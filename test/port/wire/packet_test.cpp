#include "wire/packet.hpp"

#include <vector>

#include <doctest/doctest.h>

#include "wire/message.hpp"

namespace {

using pyport::Bytes;
using pyport::ByteView;
using pyport::Errc;
using pyport::wire::Op;
using pyport::wire::PacketWalk;
using pyport::wire::parse_message;

TEST_CASE("packet: a message alone is walked once") {
  const Bytes content{0x02, 0, 0, 0, 0, 0, 0, 0, 1};
  PacketWalk walk(content);
  CHECK(walk.single());
  REQUIRE(walk.more());
  CHECK(walk.next().value().size() == content.size());
  CHECK_FALSE(walk.more());
}

TEST_CASE("packet: a batch gives its messages in order") {
  const Bytes content{0x7f, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 1, 'c'};
  PacketWalk walk(content);
  CHECK_FALSE(walk.single());
  CHECK(walk.next().value()[1] == 'b');
  CHECK(walk.next().value()[0] == 'c');
  CHECK_FALSE(walk.more());
}

TEST_CASE("packet: a batch whose message is longer than the packet names both lengths") {
  const Bytes content{0x7f, 0, 0, 0, 9, 'a'};
  PacketWalk walk(content);
  const auto message = walk.next();
  REQUIRE_FALSE(message.ok());
  CHECK(message.error().code == Errc::protocol);
  CHECK(message.error().detail == "a batch announces a message of 9 bytes, 1 are left");
  CHECK_FALSE(walk.more());
}

TEST_CASE("packet: a batch with an empty message is an error") {
  const Bytes content{0x7f, 0, 0, 0, 0};
  PacketWalk walk(content);
  CHECK_FALSE(walk.next().ok());
}

Bytes entry_of(std::uint8_t op, std::uint8_t id, std::size_t rest) {
  Bytes entry{0, 0, 0, static_cast<std::uint8_t>(9 + rest), op, 0, 0, 0, 0, 0, 0, 0, id};
  entry.resize(entry.size() + rest, 'x');
  return entry;
}

TEST_CASE("packet: a run ends at another operation, another id and the end of the batch") {
  Bytes content{0x7f};
  for (const Bytes& entry : {entry_of(0x31, 1, 3),
                             entry_of(0x31, 1, 0),
                             entry_of(0x31, 2, 1),
                             entry_of(0x21, 2, 1),
                             entry_of(0x31, 2, 2),
                             entry_of(0x31, 2, 2)})
    pyport::put_bytes(content, entry);
  PacketWalk walk(content);
  std::vector<std::size_t> counts;
  Bytes walked;
  while (walk.more()) {
    auto message = walk.next();
    REQUIRE(message.ok());
    const PacketWalk::Run run = walk.same_as(message.value());
    counts.push_back(run.count);
    pyport::put_bytes(walked, run.entries);
  }
  CHECK(counts == std::vector<std::size_t>{2, 1, 1, 2});
  CHECK(walked == Bytes(content.begin() + 1, content.end()));
}

TEST_CASE("packet: a run leaves what is malformed behind it to be refused") {
  const Bytes good = entry_of(0x31, 1, 3);
  for (const Bytes& bad : {Bytes{0, 0, 0, 0},
                           Bytes{0, 0, 0, 200, 0x31, 0, 0, 0, 0, 0, 0, 0, 1},
                           Bytes{0, 0, 0, 9, 0x31, 0, 0}}) {
    Bytes content{0x7f};
    pyport::put_bytes(content, good);
    pyport::put_bytes(content, bad);
    PacketWalk walk(content);
    auto message = walk.next();
    REQUIRE(message.ok());
    CHECK(walk.same_as(message.value()).count == 1);
    REQUIRE(walk.more());
    CHECK_FALSE(walk.next().ok());
  }
}

TEST_CASE("packet: a batch cut inside a length is an error, at every byte") {
  const Bytes whole{0x7f, 0, 0, 0, 1, 'a', 0, 0, 0, 1, 'b'};
  for (std::size_t size = 2; size < whole.size(); ++size) {
    PacketWalk walk(ByteView(whole).first(size));
    bool failed = false;
    while (walk.more())
      failed = !walk.next().ok() || failed;
    CHECK(failed == (size != 6));  // 6 is where the first message ends
  }
}

TEST_CASE("message: the header of a run message") {
  Bytes bytes{0x10, 0, 0, 0, 0, 0, 0, 0, 7, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 1, 0, 131};
  const auto message = parse_message(bytes);
  REQUIRE(message.ok());
  auto parsed = message;
  CHECK(parsed.value().op == Op::call);
  CHECK(parsed.value().id == 7);
  CHECK(parsed.value().flags == 1);
  CHECK(parsed.value().context == 3);
  CHECK(parsed.value().env == 9);
  CHECK(parsed.value().timeout_ms == 256);
  CHECK(parsed.value().term_offset == 26);
}

TEST_CASE("message: a header cut short is an error, at every byte") {
  const Bytes run(26, 0x10);
  for (std::size_t size = 0; size < run.size(); ++size)
    CHECK_FALSE(parse_message(ByteView(run).first(size)).ok());
  CHECK(parse_message(run).ok());
}

TEST_CASE("message: an operation nobody knows is named") {
  const Bytes bytes(26, 0x55);
  const auto message = parse_message(bytes);
  REQUIRE_FALSE(message.ok());
  CHECK(message.error().detail == "unknown operation 85");
}

}  // namespace
