// Threads and event loops that wait for a message of a channel.
#include <atomic>
#include <memory>

#include "channel_fixture.hpp"
#include "store/notifier.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Channel;
using store::InterruptPoint;
using store::kTotalNone;
using store::Notifier;
using store::Wait;
using test::ChannelFixture;
using test::Receiving;

// Says when its thread is about to sleep: the thread is in line then.
class ToldSleep final : public Sleep {
 public:
  void sleep(const std::atomic<bool>& over, TimePoint until) override {
    asleep_.store(true);
    asleep_.notify_all();
    inner_.sleep(over, until);
  }
  void wake() noexcept override { inner_.wake(); }
  void await() { asleep_.wait(false); }

 private:
  std::atomic<bool> asleep_{false};
  ThreadSleep inner_{microseconds(0)};
};

TEST_CASE("receive: a blocked thread wakes for a message, the end and nothing else") {
  ChannelFixture f;
  Receiving message(f.channel);
  f.put({"a"});
  CHECK(message.join() == Wait::ready);
  CHECK(message.message() == "a");
  Receiving end(f.channel);
  f.channel->close();
  f.channel->end(1);
  CHECK(end.join() == Wait::ended);
}

TEST_CASE(
    "receive: a deadline that has passed is told at once, and the next wait gets its message") {
  ChannelFixture f;
  ChannelFixture::Taken taken;
  CHECK(f.wait_until(taken, Clock::now()) == Wait::timed_out);
  CHECK(f.wait_until(taken, Clock::now() + milliseconds(1)) == Wait::timed_out);
  f.put({"a"});
  CHECK(f.wait_until(taken, Clock::now()) == Wait::ready);
  CHECK(test::text_of(taken) == "a");
}

TEST_CASE("receive: threads are served in the order in which they came") {
  ChannelFixture f;
  std::vector<std::shared_ptr<ToldSleep>> sleeps;
  std::vector<std::thread> threads;
  std::vector<std::string> got(5);
  for (std::size_t i = 0; i < got.size(); ++i) {
    sleeps.push_back(std::make_shared<ToldSleep>());
    threads.emplace_back([&f, &got, i, sleep = sleeps.back()] {
      ChannelFixture::Taken taken;
      if (test::receive(*f.channel, taken, kNever, nullptr, sleep) == Wait::ready)
        got[i] = test::text_of(taken);
    });
    sleeps.back()->await();
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    f.put({std::to_string(i)});
    threads[i].join();
  }
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(got[i] == std::to_string(i));
}

TEST_CASE("receive: a message that is promised to a thread is not taken by one that comes later") {
  ChannelFixture f;
  Channel::Turn turn(*f.channel, f.sleep);
  CHECK(turn.await(Clock::now(), nullptr) == Wait::timed_out);
  f.put({"promised", "other"});
  CHECK(f.take() == "promised");
  CHECK(f.take() == "(none)");
  // Past its deadline it still takes what it was promised.
  CHECK(turn.await(Clock::now(), nullptr) == Wait::ready);
  CHECK(test::text_of(turn.take()) == "other");
}

TEST_CASE("receive: a place in line is kept over time-outs and interrupts") {
  ChannelFixture f;
  InterruptPoint point;
  point.request();
  Channel::Turn first(*f.channel, f.sleep);
  Channel::Turn second(*f.channel, f.sleep);
  CHECK(first.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(second.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(first.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(first.await(kNever, &point) == Wait::interrupted);
  f.put({"a"});
  CHECK(second.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(first.await(Clock::now(), nullptr) == Wait::ready);
}

TEST_CASE("receive: what is promised and not taken goes to the next in line, in its order") {
  ChannelFixture f;
  Channel::Turn first(*f.channel, f.sleep);
  Channel::Turn second(*f.channel, f.sleep);
  CHECK(first.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(second.await(Clock::now(), nullptr) == Wait::timed_out);
  f.put({"a"});
  CHECK(first.await(kNever, nullptr) == Wait::ready);
  first.leave();
  first.leave();  // it has nothing any more
  CHECK(second.await(Clock::now(), nullptr) == Wait::ready);
  f.put({"b"});
  CHECK(test::text_of(second.take()) == "a");
  {
    Channel::Turn third(*f.channel, f.sleep);
    CHECK(third.await(kNever, nullptr) == Wait::ready);
    CHECK(f.take() == "(none)");
  }
  CHECK(f.take() == "b");
}

TEST_CASE("receive: who leaves the line is not served, and begins at its back") {
  ChannelFixture f;
  Channel::Turn first(*f.channel, f.sleep);
  Channel::Turn second(*f.channel, f.sleep);
  CHECK(first.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(second.await(Clock::now(), nullptr) == Wait::timed_out);
  first.leave();
  CHECK(first.await(Clock::now(), nullptr) == Wait::timed_out);
  f.put({"a"});
  CHECK(first.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(second.await(Clock::now(), nullptr) == Wait::ready);
}

TEST_CASE("receive: the end is told when the last message was taken, not when it is promised") {
  ChannelFixture f;
  Channel::Turn first(*f.channel, f.sleep);
  CHECK(first.await(Clock::now(), nullptr) == Wait::timed_out);
  Channel::Turn second(*f.channel, f.sleep);
  CHECK(second.await(Clock::now(), nullptr) == Wait::timed_out);
  f.put({"a"});
  f.channel->end(kTotalNone);
  CHECK(second.await(Clock::now(), nullptr) == Wait::timed_out);
  CHECK(f.take() == "(none)");
  SUBCASE("it is taken") {
    CHECK(test::text_of(first.take()) == "a");
    CHECK(second.await(kNever, nullptr) == Wait::ended);
  }
  SUBCASE("it is given back") {
    first.leave();
    CHECK(second.await(Clock::now(), nullptr) == Wait::ready);
    CHECK(test::text_of(second.take()) == "a");
  }
  CHECK(f.take() == "(end)");
}

TEST_CASE("receive: an interrupt ends the wait of its thread, and no message is lost") {
  ChannelFixture f;
  InterruptPoint point;
  Receiving interrupted(f.channel, &point);
  Receiving other(f.channel);
  point.request();
  CHECK(interrupted.join() == Wait::interrupted);
  f.put({"a"});
  CHECK(other.join() == Wait::ready);
  ChannelFixture::Taken taken;
  CHECK(f.wait_until(taken, kNever, &point) == Wait::interrupted);
  f.put({"b"});
  CHECK(f.wait_until(taken, kNever, &point) == Wait::ready);
  CHECK(test::text_of(taken) == "b");
}

TEST_CASE("receive: a close while 50 threads wait ends all of them behind what was sent") {
  ChannelFixture f;
  std::vector<std::unique_ptr<Receiving>> receivers;
  receivers.reserve(50);
  for (int i = 0; i < 50; ++i)
    receivers.push_back(std::make_unique<Receiving>(f.channel));
  f.put({"a", "b", "c"});
  f.channel->end(5);
  f.put({"d", "e"});
  int ready = 0;
  int ended = 0;
  for (const auto& receiver : receivers)
    ++(receiver->join() == Wait::ready ? ready : ended);
  CHECK(ready == 5);
  CHECK(ended == 45);
}

struct Loop {
  std::shared_ptr<Notifier> notifier =
      std::make_shared<Notifier>(Notifier::open_descriptor().value());
  std::vector<std::uint64_t> take() { return notifier->take(); }
};
using Tokens = std::vector<std::uint64_t>;

TEST_CASE("loop: one wait is told for each message, in turn, and at once if there is one") {
  ChannelFixture f;
  Loop loop;
  for (std::uint64_t token = 1; token <= 3; ++token)
    f.channel->add_waiter(loop.notifier, token);
  CHECK(loop.take().empty());
  f.put({"a", "b"});
  CHECK(loop.take() == Tokens{1, 2});
  f.put({"c"});
  CHECK(loop.take() == Tokens{3});
  f.channel->add_waiter(loop.notifier, 4);
  CHECK(loop.take() == Tokens{4});
  CHECK(f.take() == "a");
}

TEST_CASE("loop: a wait that is forgotten is not told, one that was told says so") {
  ChannelFixture f;
  Loop loop;
  f.channel->add_waiter(loop.notifier, 1);
  f.channel->add_waiter(loop.notifier, 2);
  f.channel->add_waiter(loop.notifier, 3);
  CHECK(f.channel->forget_waiter(*loop.notifier, 1));
  f.put({"a"});
  CHECK(loop.take() == Tokens{2});
  CHECK_FALSE(f.channel->forget_waiter(*loop.notifier, 2));
  f.channel->pass_on();
  CHECK(loop.take() == Tokens{3});
  CHECK(f.take() == "a");
  f.channel->add_waiter(loop.notifier, 4);
  f.channel->pass_on();  // nothing is there any more
  CHECK(loop.take().empty());
}

TEST_CASE("loop: a message that a thread was promised and has not taken is told") {
  ChannelFixture f;
  Loop loop;
  Channel::Turn turn(*f.channel, f.sleep);
  CHECK(turn.await(Clock::now(), nullptr) == Wait::timed_out);
  f.put({"a"});
  f.channel->end(kTotalNone);
  f.channel->add_waiter(loop.notifier, 1);
  CHECK(loop.take().empty());
  turn.leave();
  CHECK(loop.take() == Tokens{1});
  CHECK(f.take() == "a");
}

TEST_CASE("loop: the end is told to all that wait, and to who asks later") {
  ChannelFixture f;
  Loop loop;
  f.channel->add_waiter(loop.notifier, 1);
  f.channel->add_waiter(loop.notifier, 2);
  f.channel->end(kTotalNone);
  CHECK(loop.take() == Tokens{1, 2});
  f.channel->add_waiter(loop.notifier, 3);
  CHECK(loop.take() == Tokens{3});
}

// Threads send runs, others take them in every way there is; each message is seen once, those of
// one sender in order by each receiver.
struct Crowd {
  static constexpr int kSenders = 3;
  static constexpr int kReceivers = 4;
  static constexpr int kEach = 4000;

  void send(int sender) {
    for (int next = 0; next < kEach;) {
      std::vector<std::string> run;
      for (int i = 0; i < next % 7 + 1 && next < kEach; ++i)
        run.push_back(std::to_string(sender * kEach + next++));
      f.put(run);
    }
  }
  void receive(int index) {
    const auto sleep = std::make_shared<ThreadSleep>(microseconds(0));
    std::vector<int> last(kSenders, -1);
    for (;;) {
      ChannelFixture::Taken taken;
      const TimePoint until = index % 2 == 0 ? kNever : Clock::now() + microseconds(50);
      const Wait wait =
          test::receive(*f.channel, taken, until, &points[static_cast<std::size_t>(index)], sleep);
      if (wait == Wait::ended) return;
      points[static_cast<std::size_t>(index)].clear();
      if (wait != Wait::ready) continue;
      const int message = std::stoi(test::text_of(taken));
      int& before = last[static_cast<std::size_t>(message / kEach)];
      if (message <= before) disorder.fetch_add(1);
      before = message;
      seen[static_cast<std::size_t>(message)].fetch_add(1);
    }
  }

  ChannelFixture f;
  std::vector<InterruptPoint> points = std::vector<InterruptPoint>(kReceivers);
  std::vector<std::atomic<int>> seen =
      std::vector<std::atomic<int>>(static_cast<std::size_t>(kSenders) * kEach);
  std::atomic<int> disorder{0};
};

TEST_CASE("crowd: with senders, time-outs and interrupts nothing is lost, doubled or reordered") {
  Crowd crowd;
  std::vector<std::thread> receivers;
  receivers.reserve(Crowd::kReceivers);
  for (int i = 0; i < Crowd::kReceivers; ++i)
    receivers.emplace_back([&crowd, i] { crowd.receive(i); });
  std::atomic<bool> done{false};
  std::thread interrupter([&crowd, &done] {
    while (!done.load())
      for (auto& point : crowd.points)
        point.request();
  });
  std::vector<std::thread> senders;
  senders.reserve(Crowd::kSenders);
  for (int i = 0; i < Crowd::kSenders; ++i)
    senders.emplace_back([&crowd, i] { crowd.send(i); });
  for (std::thread& sender : senders)
    sender.join();
  crowd.f.channel->end(kTotalNone);
  for (std::thread& receiver : receivers)
    receiver.join();
  done.store(true);
  interrupter.join();
  int wrong = 0;
  for (const auto& count : crowd.seen)
    wrong += count.load() == 1 ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(crowd.disorder.load() == 0);
  CHECK(crowd.f.budget.memory_bytes() == 0);
}

}  // namespace
