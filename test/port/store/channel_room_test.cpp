// The places for messages to Erlang.
#include "channel_fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Channel;
using store::kMessageOverheadBytes;
using store::Wait;
using test::ChannelFixture;
using test::Noted;
using Room = store::Channel::Room;

// A thread that waits for room, and takes it.
class AwaitingRoom {
 public:
  AwaitingRoom(const std::shared_ptr<store::Channel>& channel,
               std::size_t size,
               store::InterruptPoint* point = nullptr)
      : thread_([this, channel, size, point] {
          const auto sleep = std::make_shared<ThreadSleep>(microseconds(0));
          Channel::RoomTurn turn(*channel, size, sleep);
          result_ = turn.await(kNever, point);
          if (result_ == Wait::ready) CHECK(turn.take() == Room::taken);
        }) {}
  Wait join() {
    thread_.join();
    return result_;
  }

 private:
  Wait result_{};
  std::thread thread_;
};

TEST_CASE("room: exact at the bound, and what never fits is told apart from what waits") {
  ChannelFixture f(10);
  CHECK(f.channel->take_room(4) == Room::taken);
  CHECK(f.channel->take_room(6) == Room::taken);
  CHECK(f.channel->take_room(0) == Room::taken);
  CHECK(f.channel->take_room(1) == Room::full);
  CHECK(f.channel->take_room(11) == Room::too_large);
  f.channel->credit({4, 1});
  CHECK(f.channel->take_room(5) == Room::full);
  CHECK(f.channel->take_room(4) == Room::taken);
}

TEST_CASE("room: a channel without a bound is held by the budget of all") {
  ChannelFixture f(0, 100 + 2 * kMessageOverheadBytes);
  const auto other = f.make(0, 8);
  CHECK(f.channel->take_room(100 + kMessageOverheadBytes + 1) == Room::too_large);
  CHECK(f.channel->take_room(60) == Room::taken);
  CHECK(other->take_room(41) == Room::full);
  CHECK(f.events.take() == Noted{"want 0"});
  CHECK(other->take_room(40) == Room::taken);
  f.channel->credit({60, 1});
  CHECK(other->take_room(61) == Room::full);
  CHECK(other->take_room(60) == Room::taken);
}

TEST_CASE("room: empty messages are charged too, and given back by their count") {
  ChannelFixture f(10, 3 * kMessageOverheadBytes);
  for (int i = 0; i < 3; ++i)
    REQUIRE(f.channel->take_room(0) == Room::taken);
  CHECK(f.channel->take_room(0) == Room::full);
  f.channel->credit({0, 1});
  CHECK(f.channel->take_room(0) == Room::taken);
  CHECK(f.channel->take_room(0) == Room::full);
  f.channel->credit({0, 1});
  CHECK(f.channel->take_room(0) == Room::full);
  f.channel->credit({99, 99});
  CHECK(f.budget.outgoing().memory_bytes() == 0);
}

TEST_CASE("room: credit that goes back or beyond what was sent changes nothing") {
  ChannelFixture f(10);
  CHECK(f.channel->take_room(10) == Room::taken);
  f.channel->credit({8, 1});
  f.channel->credit({5, 0});
  CHECK(f.channel->take_room(9) == Room::full);
  f.channel->credit(store::Channel::kAll);
  CHECK(f.channel->take_room(10) == Room::taken);
  CHECK(f.channel->take_room(1) == Room::full);
}

TEST_CASE("room: what a channel held of the budget is free when it dies") {
  ChannelFixture f(0, 1000);
  CHECK(f.channel->take_room(100) == Room::taken);
  CHECK(f.channel->take_room(0) == Room::taken);
  f.channel->credit({30, 1});
  f.channel.reset();
  CHECK(f.budget.outgoing().memory_bytes() == 0);
}

TEST_CASE("room: who is refused has the BEAM asked once, until it answers") {
  ChannelFixture f(10);
  CHECK(f.channel->take_room(10) == Room::taken);
  CHECK(f.channel->take_room(1) == Room::full);
  CHECK(f.channel->take_room(1) == Room::full);
  CHECK(f.events.take() == Noted{"want 7"});
  f.channel->credit({1, 1});
  CHECK(f.channel->take_room(2) == Room::full);
  CHECK(f.events.take() == Noted{"want 7"});
}

TEST_CASE("room: a thread that waits asks, and goes on when there is room for it") {
  ChannelFixture f(10);
  REQUIRE(f.channel->take_room(10) == Room::taken);
  AwaitingRoom waits(f.channel, 5);
  CHECK(f.events.await() == Noted{"want 7"});
  f.channel->credit({4, 0});
  f.channel->credit({5, 1});
  CHECK(waits.join() == Wait::ready);
  CHECK(f.channel->status().outgoing == 15);
  CHECK(f.channel->take_room(1) == Room::full);
}

TEST_CASE("room: a thread that waits for the budget goes on when another channel is read") {
  ChannelFixture f(0, 100 + kMessageOverheadBytes);
  const auto other = f.make(0, 8);
  REQUIRE(other->take_room(100) == Room::taken);
  AwaitingRoom waits(f.channel, 5);
  CHECK(f.events.await() == Noted{"want 0"});
  other->credit({5, 1});
  CHECK(waits.join() == Wait::ready);
}

TEST_CASE("room: a close, an interrupt and a deadline end the wait") {
  ChannelFixture f(10);
  REQUIRE(f.channel->take_room(10) == Room::taken);
  store::InterruptPoint point;
  AwaitingRoom interrupted(f.channel, 1, &point);
  point.request();
  CHECK(interrupted.join() == Wait::interrupted);
  Channel::RoomTurn late(*f.channel, 1, f.sleep);
  CHECK(late.await(Clock::now() + milliseconds(1), nullptr) == Wait::timed_out);
  AwaitingRoom closed(f.channel, 1);
  f.channel->close();
  CHECK(closed.join() == Wait::ended);
  CHECK(late.await(kNever, nullptr) == Wait::ended);
}

TEST_CASE("room: while a large message waits a small one that comes later gets none") {
  ChannelFixture f(10);
  REQUIRE(f.channel->take_room(10) == Room::taken);
  Channel::RoomTurn large(*f.channel, 8, f.sleep);
  CHECK(large.await(Clock::now(), nullptr) == Wait::timed_out);
  f.channel->credit({4, 0});
  CHECK(f.channel->take_room(1) == Room::full);
  CHECK(f.channel->take_room(0) == Room::full);
  f.channel->credit({9, 1});
  CHECK(f.channel->take_room(1) == Room::taken);  // beside what is reserved
  CHECK(f.channel->take_room(1) == Room::full);
  CHECK(large.await(kNever, nullptr) == Wait::ready);
  CHECK(large.take() == Room::taken);
  CHECK(f.channel->status().outgoing == 19);
}

TEST_CASE("room: those that wait are served in turn, as many as fit") {
  ChannelFixture f(10);
  REQUIRE(f.channel->take_room(10) == Room::taken);
  Channel::RoomTurn first(*f.channel, 2, f.sleep);
  Channel::RoomTurn second(*f.channel, 8, f.sleep);
  Channel::RoomTurn third(*f.channel, 1, f.sleep);
  for (Channel::RoomTurn* const turn : {&first, &second, &third})
    CHECK(turn->await(Clock::now(), nullptr) == Wait::timed_out);
  f.channel->credit({9, 1});
  CHECK(first.await(Clock::now(), nullptr) == Wait::ready);
  CHECK(second.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(third.await(Clock::now(), nullptr) == Wait::timed_out);
  // Who leaves lets the next one go on at once: reserved or still in line.
  SUBCASE("the one in the way") {
    second.leave();
  }
  SUBCASE("the one that was served") {
    f.channel->credit({10, 1});
    first.leave();
    CHECK(second.await(Clock::now(), nullptr) == Wait::ready);
  }
  CHECK(third.await(Clock::now(), nullptr) == Wait::ready);
}

TEST_CASE("room: what was reserved and is not used is free again, of the budget too") {
  ChannelFixture f(0, 100 + kMessageOverheadBytes);
  const auto other = f.make(0, 8);
  REQUIRE(f.channel->take_room(100) == Room::taken);
  Channel::RoomTurn waits(*other, 60, f.sleep);
  CHECK(waits.await(Clock::now(), nullptr) == Wait::timed_out);
  f.channel->credit({100, 1});
  CHECK(f.budget.outgoing().memory_bytes() == 60 + kMessageOverheadBytes);
  CHECK(f.channel->take_room(41) == Room::full);
  waits.leave();
  CHECK(f.budget.outgoing().memory_bytes() == 0);
  CHECK(f.channel->take_room(100) == Room::taken);
}

TEST_CASE("room: a small message behind a large one that gives up gets what the budget has") {
  ChannelFixture f(0, 100 + 2 * kMessageOverheadBytes);
  const auto other = f.make(0, 8);
  REQUIRE(f.channel->take_room(90) == Room::taken);
  Channel::RoomTurn large(*other, 80, f.sleep);
  Channel::RoomTurn small(*other, 20, f.sleep);
  CHECK(large.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(small.await(Clock::now(), nullptr) == Wait::timed_out);
  large.leave();
  f.channel->credit({10, 0});
  CHECK(small.await(Clock::now(), nullptr) == Wait::ready);
}

TEST_CASE("room: a close between the turn and its use sends nothing, and keeps no room") {
  ChannelFixture f(10);
  {
    Channel::RoomTurn turn(*f.channel, 5, f.sleep);
    CHECK(turn.await(kNever, nullptr) == Wait::ready);
    f.channel->close();
    CHECK(f.events.take() == Noted{"closed by python"});
    CHECK(turn.take() == Room::closed);
  }
  CHECK(f.channel->status().outgoing == 0);
  CHECK(f.budget.outgoing().memory_bytes() == 0);
}

}  // namespace
