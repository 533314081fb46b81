// Who reads the link, and who gets the token next.
#include <doctest/doctest.h>

#include "dispatcher_rig.hpp"

namespace {

using namespace pyport;        // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::link;  // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::test;  // NOLINT(google-build-using-namespace) -- a test of one layer

TEST_CASE("dispatcher: two contexts serve while a third one's run lasts") {
  Gate gate;
  Rig rig;
  rig.context(1, [&gate, &rig](const Request&) {
    rig.dispatcher.expect_long_run();
    gate.pass();
  });
  rig.context(2, [](const Request&) {});
  rig.context(3, [](const Request&) {});
  rig.source.put(1, 1);
  for (std::uint64_t id = 2; id < 200; ++id) {
    rig.source.put(2 + id % 2, id);
    CHECK(rig.answer().id == id);
  }
  gate.release();
  CHECK(rig.answer().id == 1);
}

TEST_CASE("dispatcher: a run that lasts without notice does not stop the reading") {
  Gate gate;
  Rig rig;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  rig.context(2, [](const Request&) {});
  rig.source.put(1, 1);
  rig.source.put(2, 2);
  CHECK(rig.answer().id == 2);
  gate.release();
  CHECK(rig.answer().id == 1);
}

TEST_CASE("dispatcher: the standby hands the token back once, not at every call") {
  Rig rig(milliseconds(10'000));
  rig.context(1, [&rig](const Request& request) {
    if (request.head.id == 1) rig.dispatcher.expect_long_run();
  });
  for (std::uint64_t id = 1; id <= 500; ++id) {
    rig.source.put(1, id);
    CHECK(rig.answer().id == id);
  }
  CHECK(rig.source.wake_count <= 1);
}

TEST_CASE("dispatcher: the standby's hand-over reaches a context that spins as one that sleeps") {
  Rig rig(milliseconds(60'000));  // no tick helps
  std::atomic<std::uint64_t> may_end{0};
  rig.context(1, [&rig, &may_end](const Request& request) {
    rig.dispatcher.expect_long_run();
    while (may_end.load() < request.head.id)
      std::this_thread::yield();
  });
  rig.context(2, [](const Request&) {});
  for (std::uint64_t id = 1; id <= 1000; id += 2) {
    rig.source.put(1, id);
    rig.source.put(2, id + 1);
    CHECK(rig.answer().id == id + 1);  // so somebody else reads now
    may_end.store(id);
    CHECK(rig.answer().id == id);
  }
}

TEST_CASE("dispatcher: the context that has the work reads the link itself") {
  Rig rig(milliseconds(10'000));
  std::atomic<std::thread::id> last{};
  rig.context(1, [&last](const Request&) { last.store(std::this_thread::get_id()); });
  rig.context(2, [](const Request&) {});
  rig.context(3, [](const Request&) {});
  int own_reads = 0;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    rig.source.put(1, id);
    CHECK(rig.answer().id == id);
    if (rig.source.last_reader.load() == last.load()) ++own_reads;
  }
  // Whoever read the first requests handed them over; from then on there is nothing to hand over.
  CHECK(own_reads >= 190);
}

TEST_CASE("dispatcher: the link stays read when the woken context is done first") {
  Rig rig(milliseconds(60'000));  // no tick helps
  // The reader goes on when the other context has answered and, most likely, waits again.
  rig.source.after_submit = [&rig, reads = std::uint64_t{0}]() mutable {
    ++reads;
    const TimePoint enough = Clock::now() + microseconds(500);
    while (rig.rounds.load() < reads && Clock::now() < enough)
      std::this_thread::yield();
    for (int turn = 0; turn < 100; ++turn)
      std::this_thread::yield();
  };
  rig.context(1, [](const Request&) {});
  rig.context(2, [](const Request&) {});
  for (std::uint64_t id = 1; id <= 200; ++id) {
    rig.source.put(1 + static_cast<std::uint32_t>(id / 10 % 2), id);
    REQUIRE(rig.answer().id == id);
  }
}

}  // namespace
