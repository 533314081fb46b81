#include "link/dispatcher.hpp"

#include <doctest/doctest.h>

#include "dispatcher_rig.hpp"

namespace {

using namespace pyport;        // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::link;  // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::test;  // NOLINT(google-build-using-namespace) -- a test of one layer

TEST_CASE("dispatcher: a request runs on its context's thread and is answered once") {
  Rig rig;
  rig.context(1, [](const Request&) {});
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    rig.source.put(1, id);
    const auto answer = rig.answer();
    CHECK(answer.id == id);
    CHECK(answer.op == wire::Op::ok);
  }
}

TEST_CASE("dispatcher: a deadline covers the time in the queue, and only its own request") {
  Gate gate;
  Rig rig;
  rig.context(1, [&gate](const Request& request) {
    if (request.head.id == 1) gate.pass();
  });
  rig.source.put(1, 1);
  rig.source.put(1, 2, Clock::now() + milliseconds(5));
  rig.source.put(1, 3);
  const auto late = rig.answer();
  CHECK(late.id == 2);
  CHECK(late.op == wire::Op::error);
  CHECK(late.term.find("timeout") != std::string::npos);
  CHECK(rig.interrupter.last == 0);
  gate.release();
  CHECK(rig.answer().id == 1);
  CHECK(rig.answer().id == 3);
}

TEST_CASE("dispatcher: a running request whose time is up is answered and interrupted") {
  Gate gate;
  Rig rig;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  rig.source.put(1, 7, Clock::now() + milliseconds(300));
  const auto late = rig.answer();
  CHECK(late.id == 7);
  CHECK(late.term.find("timeout") != std::string::npos);
  CHECK(rig.dispatcher.deliver_interrupt(1, 7, [] {}));
  gate.release();
  rig.source.put(1, 8);
  CHECK(rig.answer().id == 8);  // and 7 was not answered twice
  CHECK(rig.interrupter.last == 7);
}

TEST_CASE("dispatcher: an interrupt for a request that has ended reaches nobody") {
  Rig rig;
  rig.context(1, [](const Request&) {});
  rig.source.put(1, 1);
  CHECK(rig.answer().id == 1);
  CHECK_FALSE(rig.dispatcher.deliver_interrupt(1, 1, [] {}));
  CHECK_FALSE(rig.dispatcher.interrupt(1));
}

TEST_CASE("dispatcher: a cancelled request never runs") {
  Gate gate;
  Rig rig;
  std::atomic<bool> ran{false};
  rig.context(1, [&gate, &ran](const Request& request) {
    if (request.head.id == 1) gate.pass();
    if (request.head.id == 2) ran.store(true);
  });
  rig.source.put(1, 1);
  rig.source.put(1, 2);
  rig.source.put(1, 3);
  while (rig.dispatcher.counts().queued != 2)
    std::this_thread::yield();
  rig.dispatcher.cancel(2);
  gate.release();
  CHECK(rig.answer().id == 1);
  CHECK(rig.answer().id == 3);
  CHECK_FALSE(ran);
}

TEST_CASE("dispatcher: news that nobody waits for are never refused, and no id is no request") {
  Gate gate;
  Rig rig;
  rig.context(1, [&gate](const Request& request) {
    if (request.head.id == 1) gate.pass();
  });
  rig.source.put(1, 1);
  for (std::uint64_t id = 2; id <= 100; ++id)
    rig.source.put(1, id);
  for (int i = 0; i < 50; ++i)
    rig.source.put(1, 0);
  rig.dispatcher.cancel(0);
  CHECK_FALSE(rig.dispatcher.deliver_interrupt(1, 0, [] {}));
  gate.release();
  for (std::uint64_t id = 1; id <= 100; ++id) {
    const auto answer = rig.answer();
    CHECK(answer.op == wire::Op::ok);
    CHECK(answer.id == id);
  }
}

TEST_CASE("dispatcher: closing a context answers what waits and what runs") {
  Gate gate;
  Rig rig;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  rig.source.put(1, 1);
  rig.source.put(1, 2);
  while (rig.dispatcher.counts().queued != 1)
    std::this_thread::yield();
  CHECK(rig.dispatcher.close(1));
  for (int i = 0; i < 2; ++i)
    CHECK(rig.answer().term.find("context_destroyed") != std::string::npos);
  CHECK(rig.interrupter.last == 1);
  CHECK_FALSE(rig.dispatcher.close(1));
  gate.release();
}

TEST_CASE("dispatcher: a context that does not exist is an error for that request only") {
  Rig rig;
  rig.context(1, [](const Request&) {});
  rig.source.put(9, 1);
  rig.source.put(1, 2);
  const auto first = rig.answer();
  CHECK(first.id == 1);
  CHECK(first.term.find("no_context") != std::string::npos);
  CHECK(rig.answer().id == 2);
}

TEST_CASE("dispatcher: beyond the limit of queued requests the next is refused at once") {
  Gate gate;
  Rig rig;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  for (std::uint64_t id = 1; id <= 102; ++id)
    rig.source.put(1, id);
  // 1 runs, 100 wait; which one is refused depends on when 1 was taken out of the queue.
  const auto refused = rig.answer();
  CHECK(refused.op == wire::Op::error);
  CHECK(refused.term.find("overloaded") != std::string::npos);
  gate.release();
}

}  // namespace
