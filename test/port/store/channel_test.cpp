// The queue of a channel to Python, its credit and its end.
#include "channel_fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Channel;
using store::kTotalNone;
using test::ChannelFixture;
using test::Noted;

TEST_CASE("channel: what came together and what came alone is taken in order, as it was sent") {
  ChannelFixture f;
  const std::string large(100'000, 'x');
  f.put({"a", "", std::string(5000, 'b')});
  f.put({"c"});
  Bytes memory = test::entries_of({"own"});
  f.channel->append(Payload::copy_of(memory).value(), 13, nullptr);
  f.put({large, "d"});
  for (const std::string& expected :
       {std::string("a"), std::string(), std::string(5000, 'b'), std::string("c")})
    CHECK(f.take() == expected);
  CHECK(f.take() == "own");
  CHECK(f.take() == large);
  CHECK(f.take() == "d");
  CHECK(f.take() == "(none)");
}

TEST_CASE("channel: an empty message in memory of its own is a message") {
  ChannelFixture f;
  f.channel->append(Payload::copy_of(test::entries_of({""})).value(), 13, nullptr);
  CHECK(f.channel->status().messages == 1);
  CHECK(f.take().empty());
  CHECK(f.take() == "(none)");
}

TEST_CASE("channel: many small messages are all there, however they were cut into runs") {
  ChannelFixture f;
  int sent = 0;
  for (int run = 1; sent < 20'000; run = run % 97 + 1) {
    std::vector<std::string> messages;
    messages.reserve(static_cast<std::size_t>(run));
    for (int i = 0; i < run; ++i)
      messages.push_back(std::to_string(sent++));
    f.put(messages);
  }
  int wrong = 0;
  for (int i = 0; i < sent; ++i)
    wrong += f.take() == std::to_string(i) ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(f.channel->status().messages == 0);
  CHECK(f.budget.memory_bytes() == 0);
}

TEST_CASE("channel: a message that was taken stays as it is while others come and go") {
  ChannelFixture f;
  f.put({"first", "second"});
  const auto first = f.channel->try_take();
  REQUIRE(first);
  CHECK(f.take() == "second");
  f.put({std::string(300, 'x')});
  f.channel.reset();
  CHECK(test::text_of(*first) == "first");
}

TEST_CASE("channel: what protects a message lives until that message is let go of") {
  ChannelFixture f;
  auto token = std::make_shared<int>();
  f.channel->append(test::entries_of({"1"}), 1, nullptr);
  f.channel->append(test::entries_of({"2"}), 1, token);
  f.channel->append(test::entries_of({"3"}), 1, std::make_shared<int>());
  CHECK(token.use_count() == 2);
  CHECK(f.take() == "1");
  CHECK(f.take() == "2");
  {
    const auto last = f.channel->try_take();
    REQUIRE(last);
    CHECK(token.use_count() == 2);
  }
  CHECK(token.use_count() == 1);
}

TEST_CASE("channel: status counts what is queued, taken and sent") {
  ChannelFixture f;
  f.put({"abc", "", "de"});
  REQUIRE(f.take() == "abc");
  REQUIRE(f.channel->take_room(40) == Channel::Room::taken);
  f.channel->sent();
  const Channel::Status status = f.channel->status();
  CHECK(status.messages == 2);
  CHECK(status.size == 2);
  CHECK(status.taken == 3);
  CHECK(status.outgoing == 40);
  CHECK_FALSE(status.closed);
}

TEST_CASE("credit: told in steps of a quarter of the bound, and not before") {
  ChannelFixture f(40);  // a step is 11
  f.put({"12345", "67890", "1", "234"});
  REQUIRE(f.take() == "12345");
  REQUIRE(f.take() == "67890");
  CHECK(f.events.take().empty());
  REQUIRE(f.take() == "1");
  CHECK(f.events.take() == Noted{"credit 11"});
  REQUIRE(f.take() == "234");
  CHECK(f.events.take().empty());
}

TEST_CASE("credit: who waits is told at once what is untold, then at the last message") {
  ChannelFixture f(40);
  f.put({"1", "2", "3"});
  REQUIRE(f.take() == "1");
  f.channel->wanted();
  CHECK(f.events.take() == Noted{"credit 1"});
  REQUIRE(f.take() == "2");
  CHECK(f.events.take().empty());
  REQUIRE(f.take() == "3");
  CHECK(f.events.take() == Noted{"credit 3"});
  f.put({"4"});
  REQUIRE(f.take() == "4");
  CHECK(f.events.take().empty());  // nobody has asked since
}

TEST_CASE("credit: who waits while nothing is untold is told when the queue gets empty") {
  ChannelFixture f(40);
  f.put({"1", "2"});
  f.channel->wanted();
  CHECK(f.events.take().empty());
  REQUIRE(f.take() == "1");
  CHECK(f.events.take().empty());
  REQUIRE(f.take() == "2");
  CHECK(f.events.take() == Noted{"credit 2"});
}

TEST_CASE("end: what comes behind the CHANNEL_CLOSE is read before the end") {
  ChannelFixture f;
  f.put({"ab"});
  f.channel->end(2 + 1 + 3);
  CHECK(f.channel->closed());
  CHECK(f.take() == "ab");
  CHECK(f.take() == "(none)");
  CHECK_FALSE(f.channel->status().closed);
  f.put({""});  // weighs 1
  CHECK(f.take().empty());
  CHECK(f.take() == "(none)");
  f.put({"cde"});
  CHECK(f.channel->status().closed);
  CHECK(f.take() == "cde");
  CHECK(f.take() == "(end)");
}

TEST_CASE("end: without a total nothing more is taken, what is queued is read") {
  ChannelFixture f;
  f.put({"a"});
  f.channel->end(100);
  f.channel->end(kTotalNone);
  f.put({"late"});
  CHECK(f.take() == "a");
  CHECK(f.take() == "(end)");
  CHECK(f.budget.memory_bytes() == 0);
}

TEST_CASE("close: Python's close is told once, and readers get what Erlang sent before it knew") {
  ChannelFixture f;
  f.put({"a"});
  f.channel->close();
  f.channel->close();
  CHECK(f.events.take() == Noted{"closed by python"});
  CHECK(f.take() == "a");
  CHECK(f.take() == "(none)");
  f.put({"b"});
  f.channel->end(2);
  CHECK(f.take() == "b");
  CHECK(f.take() == "(end)");
  CHECK(f.events.take().empty());
}

TEST_CASE("close: Erlang's close is answered once, also when Python closes behind it") {
  ChannelFixture f;
  f.channel->end(0);
  f.channel->close();
  f.channel->end(kTotalNone);
  CHECK(f.events.take() == Noted{"closed by erlang"});
}

TEST_CASE("close: the BEAM hears of it behind the last message that took its room") {
  ChannelFixture f;
  REQUIRE(f.channel->take_room(1) == Channel::Room::taken);
  REQUIRE(f.channel->take_room(1) == Channel::Room::taken);
  f.channel->close();
  CHECK(f.channel->take_room(1) == Channel::Room::closed);
  f.channel->sent();
  CHECK(f.events.take().empty());
  f.channel->end(0);
  f.channel->sent();
  CHECK(f.events.take() == Noted{"closed by python"});
}

TEST_CASE("pressure: told once above the budget, and once below three quarters of it") {
  ChannelFixture f(0, 40'000);
  const std::string tenth(9'900, 'x');
  for (int i = 0; i < 4; ++i)
    f.put({tenth});
  CHECK(f.events.take().empty());
  f.put({tenth, tenth});
  CHECK(f.events.take() == Noted{"pressure"});
  for (int i = 0; i < 2; ++i)
    CHECK(f.take() == tenth);
  CHECK(f.events.take().empty());
  CHECK(f.take() == tenth);
  CHECK(f.events.take() == Noted{"no pressure"});
  f.channel.reset();
  CHECK(f.events.take().empty());
  CHECK(f.budget.memory_bytes() == 0);
}

}  // namespace
