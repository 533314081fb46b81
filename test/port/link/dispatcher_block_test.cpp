// A context's thread that blocks within its request.
#include <doctest/doctest.h>

#include "dispatcher_rig.hpp"
#include "link/reading_sleep.hpp"

namespace {

using namespace pyport;        // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::link;  // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::test;  // NOLINT(google-build-using-namespace) -- a test of one layer

// Context 1, whose request 1 blocks until end() and tells when it has begun.
struct Blocked {
  explicit Blocked(Rig& rig) : rig_(rig) {
    rig.context(2, [](const Request&) {});
    inbox_ = &rig.context(1, [this](const Request& request) {
      if (request.head.id != 1) return;
      ReadingSleep sleep(rig_.dispatcher, *inbox_.load());
      begun.store(true);
      while (!over.load() && Clock::now() < until)
        sleep.sleep(over, until);
    });
    rig.source.put(1, 1);
    while (!begun.load())
      std::this_thread::yield();
  }
  void end() {
    over.store(true);
    rig_.dispatcher.nudge(1);
  }

  std::atomic<bool> begun{false};
  std::atomic<bool> over{false};
  TimePoint until = kNever;

 private:
  Rig& rig_;
  std::atomic<Inbox*> inbox_{nullptr};
};

TEST_CASE("dispatcher: while a context blocks within its request others are served") {
  Rig rig(milliseconds(60'000));  // no tick helps
  Blocked blocked(rig);
  for (std::uint64_t id = 2; id < 200; ++id) {
    rig.source.put(2, id);
    CHECK(rig.answer().id == id);
  }
  blocked.end();
  CHECK(rig.answer().id == 1);
}

TEST_CASE("dispatcher: what comes for a context that blocks waits until its request is over") {
  Rig rig(milliseconds(60'000));
  Blocked blocked(rig);
  rig.source.put(1, 2);
  rig.source.put(2, 3);
  CHECK(rig.answer().id == 3);
  blocked.end();
  CHECK(rig.answer().id == 1);
  CHECK(rig.answer().id == 2);
}

TEST_CASE("dispatcher: a context that reads what it waits for is woken by nobody") {
  Rig rig(milliseconds(60'000));
  std::atomic<bool> over{false};
  std::atomic<Inbox*> inbox{nullptr};
  std::shared_ptr<ReadingSleep> sleep;
  std::atomic<bool> made{false};
  rig.source.after_submit = [&over, &sleep, &made] {
    if (!made.load()) return;
    over.store(true);
    sleep->wake();
  };
  inbox = &rig.context(1, [&](const Request& request) {  // tidy: allow [&] -- ends before them
    if (request.head.id != 1) return;
    sleep = std::make_shared<ReadingSleep>(rig.dispatcher, *inbox.load());
    made.store(true);
    while (!over.load())
      sleep->sleep(over, kNever);
  });
  rig.source.put(1, 1);
  while (!made.load())
    std::this_thread::yield();
  rig.source.put(1, 2);
  CHECK(rig.answer().id == 1);
  CHECK(rig.answer().id == 2);
  CHECK(rig.source.wake_count == 0);
}

TEST_CASE("dispatcher: a wait within a request ends at its time") {
  Rig rig(milliseconds(60'000));
  std::atomic<Inbox*> inbox{nullptr};
  inbox = &rig.context(1, [&rig, &inbox](const Request&) {
    const std::atomic<bool> never{false};
    rig.dispatcher.read_until(*inbox.load(), never, Clock::now() + milliseconds(2));
  });
  rig.source.put(1, 1);
  CHECK(rig.answer().id == 1);
}

TEST_CASE("dispatcher: the standby leaves the link to a context that blocks within its request") {
  Rig rig(milliseconds(60'000));
  std::atomic<Inbox*> inbox{nullptr};
  std::atomic<bool> over{false};
  std::atomic<bool> standby_reads{false};
  std::atomic<std::thread::id> own{};
  inbox = &rig.context(1, [&](const Request&) {  // tidy: allow [&] -- ends before them
    own.store(std::this_thread::get_id());
    rig.dispatcher.expect_long_run();
    while (!standby_reads.load())
      std::this_thread::yield();
    rig.dispatcher.read_until(*inbox.load(), over, kNever);
  });
  rig.context(2, [](const Request&) {});
  rig.source.put(1, 1);
  rig.source.put(2, 2);
  CHECK(rig.answer().id == 2);  // nobody else could have read it
  standby_reads.store(true);
  // Context 2 may read too; sooner or later the one that blocks does or has it done.
  for (std::uint64_t id = 3; id < 50; ++id) {
    rig.source.put(2, id);
    CHECK(rig.answer().id == id);
  }
  over.store(true);
  rig.dispatcher.nudge(1);
  CHECK(rig.answer().id == 1);
}

}  // namespace
