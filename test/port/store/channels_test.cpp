// The channels by number and reference; what they share with buffers is tested in buffers_test.
#include "store/channels.hpp"

#include "channel_fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::kTotalNone;
using test::Noted;

struct ChannelsFixture {
  Result<Done> create(std::uint64_t number) {
    return channels.create(number, as_bytes("ref" + std::to_string(number)), {});
  }
  // As a message that comes while it may name what is dropped later.
  void put(std::uint64_t number, const std::string& message) {
    channels.find(number)->append(test::entries_of({message}), 1, dropped.undecoded());
  }
  // Erlang closes it, Python takes what is there and lets go.
  void use_up(std::uint64_t number) {
    const auto channel = channels.find(number);
    channels.held(channel);
    channels.end(number, 0);
    channels.released(channel);
    static_cast<void>(events.take());  // closed
  }
  test::NotedChannelEvents events;
  store::Dropped dropped;
  store::Channels channels{{1 << 20, 2000}, events, dropped};
};

TEST_CASE("channels: one is found by its number and its reference, until it is dropped") {
  ChannelsFixture f;
  CHECK(f.channels.find(1) == nullptr);
  REQUIRE(f.create(1).ok());
  const auto channel = f.channels.find(1);
  REQUIRE(channel != nullptr);
  CHECK(f.channels.find(as_bytes("ref1")) == channel);
  CHECK(f.channels.counts().count == 1);
  f.channels.drop(1);
  CHECK(f.channels.find(1) == nullptr);
  CHECK(f.channels.find(as_bytes("ref1")) == nullptr);
  CHECK(f.channels.counts().count == 0);
  CHECK(channel->ended());
}

TEST_CASE("channels: what a dropped one had sent to Erlang counts no more") {
  ChannelsFixture f;
  REQUIRE(f.create(1).ok());
  const auto held = f.channels.find(1);
  REQUIRE(held->take_room(1000) == store::Channel::Room::taken);
  f.channels.drop(1);
  CHECK(f.channels.budget().outgoing().memory_bytes() == 0);
}

TEST_CASE("channels: one that is dropped with unread messages dies with its last holder") {
  ChannelsFixture f;
  REQUIRE(f.create(1).ok());
  for (int i = 0; i < 3; ++i) {
    // A block each.
    f.put(1, std::string(100'000, 'x'));
    REQUIRE(f.create(10 + static_cast<std::uint64_t>(i)).ok());
    f.channels.drop(10 + static_cast<std::uint64_t>(i));
  }
  auto held = f.channels.find(1);
  f.channels.drop(1);
  for (const char* reference : {"ref1", "ref10", "ref11", "ref12"})
    CHECK(f.channels.find(as_bytes(reference)) == nullptr);
  REQUIRE(held->try_take());  // what had arrived
  CHECK(f.channels.counts().memory_bytes > 0);
  held.reset();
  CHECK(f.channels.counts().memory_bytes == 0);
}

TEST_CASE("channels: a message that is being decoded protects what it names after the drop") {
  ChannelsFixture f;
  REQUIRE(f.create(1).ok());
  REQUIRE(f.create(2).ok());
  f.put(1, "names the second");
  f.put(1, "unread");  // beside it
  auto held = f.channels.find(1);
  auto taken = held->try_take();
  REQUIRE(taken);
  f.channels.drop(2);
  f.channels.drop(1);
  CHECK(f.channels.find(as_bytes("ref2")) != nullptr);
  CHECK(test::text_of(*taken) == "names the second");
  taken.reset();
  f.dropped.forget();
  CHECK(f.channels.find(as_bytes("ref2")) == nullptr);
  taken = held->try_take();
  REQUIRE(taken);
  CHECK(test::text_of(*taken) == "unread");
  taken.reset();
  held.reset();
  CHECK(f.channels.counts().memory_bytes == 0);
}

TEST_CASE("channels: a dropped one counts with its memory, whatever its messages hold of that") {
  ChannelsFixture f;
  for (std::uint64_t number = 1; number <= 3; ++number)
    REQUIRE(f.create(number).ok());
  f.put(3, "may name the others");
  const std::size_t large = store::kDroppedBytesMax + 1;
  f.channels.find(1)->append(Payload::with_size(large).value(), large, nullptr);
  f.channels.drop(1);
  CHECK(f.channels.find(as_bytes("ref1")) != nullptr);
  f.channels.drop(2);
  CHECK(f.channels.find(as_bytes("ref1")) == nullptr);
  CHECK(f.channels.find(as_bytes("ref2")) != nullptr);
}

TEST_CASE("channels: one that is closed, empty and let go of is forgotten behind many others") {
  ChannelsFixture f;
  for (std::uint64_t number = 1; number <= store::kDrainedCountMax + 1; ++number) {
    REQUIRE(f.create(number).ok());
    f.channels.held(f.channels.find(number));
    f.channels.end(number, 0);
  }
  CHECK(f.channels.find(1) != nullptr);
  static_cast<void>(f.events.take());
  for (std::uint64_t number = 1; number <= store::kDrainedCountMax; ++number)
    f.channels.released(f.channels.find(number));
  CHECK(f.events.take().empty());
  f.channels.released(f.channels.find(store::kDrainedCountMax + 1));
  CHECK(f.events.take() == Noted{"forgotten 1"});
  CHECK(f.channels.find(1) == nullptr);
  CHECK(f.channels.find(as_bytes("ref1")) == nullptr);
}

TEST_CASE(
    "channels: one that is closed and that Python never had is forgotten behind many others") {
  ChannelsFixture f;
  REQUIRE(f.create(1).ok());
  f.channels.end(1, 0);
  for (std::uint64_t number = 2; number <= store::kDrainedCountMax + 1; ++number) {
    REQUIRE(f.create(number).ok());
    f.use_up(number);
  }
  CHECK(f.channels.find(1) == nullptr);
  CHECK(f.channels.find(2) != nullptr);
}

TEST_CASE("channels: one that Python closed and let go of loses what is queued and what comes") {
  ChannelsFixture f;
  REQUIRE(f.create(1).ok());
  auto channel = f.channels.find(1);
  f.put(1, std::string(100'000, 'x'));
  f.channels.held(channel);
  f.channels.held(channel);
  channel->close();
  f.channels.released(channel);
  CHECK(channel->status().messages == 1);
  f.channels.released(channel);
  CHECK(channel->status().messages == 0);
  CHECK(f.channels.counts().memory_bytes == 0);
  f.put(1, "small");
  f.put(1, std::string(5000, 'x'));
  CHECK(channel->status().messages == 0);
  CHECK(f.channels.counts().memory_bytes == 0);
  CHECK_FALSE(channel->ended());
  f.channels.end(1, 100'000 + 5 + 5000);
  CHECK(channel->ended());
  channel.reset();
  for (std::uint64_t number = 2; number <= store::kDrainedCountMax + 1; ++number) {
    REQUIRE(f.create(number).ok());
    f.use_up(number);
  }
  CHECK(f.channels.find(1) == nullptr);
}

TEST_CASE("channels: one that Erlang closed, or nobody, keeps what is queued when Python lets go") {
  ChannelsFixture f;
  for (const std::uint64_t number : {1U, 2U}) {
    REQUIRE(f.create(number).ok());
    f.put(number, "unread");
    const auto channel = f.channels.find(number);
    f.channels.held(channel);
    if (number == 1) {
      f.channels.end(number, 6);
      channel->close();
    }
    f.channels.released(channel);
    CHECK(channel->status().messages == 1);
  }
}

TEST_CASE("channels: one with messages left, open or held is not forgotten") {
  ChannelsFixture f;
  for (std::uint64_t number = 1; number <= 3; ++number)
    REQUIRE(f.create(number).ok());
  const auto full = f.channels.find(1);
  f.channels.held(full);
  full->append(test::entries_of({"a"}), 1, nullptr);
  f.channels.end(1, 1);
  f.channels.released(full);
  const auto open = f.channels.find(2);
  f.channels.held(open);
  f.channels.released(open);
  f.channels.held(f.channels.find(3));
  f.channels.end(3, kTotalNone);
  for (std::uint64_t number = 4; number <= store::kDrainedCountMax + 8; ++number) {
    REQUIRE(f.create(number).ok());
    f.use_up(number);
  }
  for (std::uint64_t number = 1; number <= 3; ++number)
    CHECK(f.channels.find(number) != nullptr);
  CHECK(f.channels.find(4) == nullptr);
}

}  // namespace
