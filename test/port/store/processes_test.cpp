#include "store/processes.hpp"

#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test of one layer
using store::Processes;
using State = Processes::State;

namespace {

struct Asked final : store::ProcessEvents {
  void watch(std::uint64_t key, ByteView pid) noexcept override {
    keys.push_back(key);
    pids.emplace_back(as_chars(pid));
  }
  void unwatch(std::uint64_t key) noexcept override { let_go.push_back(key); }
  std::vector<std::uint64_t> keys;
  std::vector<std::string> pids;
  std::vector<std::uint64_t> let_go;
};

std::shared_ptr<Sleep> own_sleep() {
  return std::make_shared<ThreadSleep>(microseconds(0));
}

struct Rig {
  Asked asked;
  std::shared_ptr<Processes> processes = std::make_shared<Processes>(asked);
};

}  // namespace

TEST_CASE("a process is asked about once and remembered until it ends") {
  Rig rig;
  CHECK(rig.processes->look(as_bytes("one")) == State::asked);
  CHECK(rig.processes->look(as_bytes("one")) == State::asked);
  REQUIRE(rig.asked.keys.size() == 1);
  CHECK(rig.asked.pids.front() == "one");
  rig.processes->heard(rig.asked.keys.front(), true);
  CHECK(rig.processes->look(as_bytes("one")) == State::alive);
  rig.processes->heard(rig.asked.keys.front(), false);
  CHECK(rig.processes->look(as_bytes("one")) == State::dead);
  CHECK(rig.asked.keys.size() == 1);
}

TEST_CASE("beyond the limit the process that was used longest ago is forgotten and let go of") {
  Rig rig;
  for (std::size_t i = 0; i < store::kWatchedMax; ++i)
    static_cast<void>(rig.processes->look(as_bytes(std::to_string(i))));
  static_cast<void>(rig.processes->look(as_bytes("0")));  // used again
  static_cast<void>(rig.processes->look(as_bytes("one more")));
  REQUIRE(rig.asked.let_go.size() == 1);
  CHECK(rig.asked.let_go.front() == rig.asked.keys.at(1));
  // An answer that crossed it changes nothing, and the process would be asked about again.
  rig.processes->heard(rig.asked.let_go.front(), true);
  CHECK(rig.processes->look(as_bytes("1")) == State::asked);
  CHECK(rig.asked.keys.size() == store::kWatchedMax + 2);
}

TEST_CASE("a thread that waits for an answer gets it, a time-out or an interrupt") {
  Rig rig;
  static_cast<void>(rig.processes->look(as_bytes("p")));
  const auto sleep = own_sleep();
  CHECK(rig.processes->wait(as_bytes("p"), Clock::now(), nullptr, sleep) == store::Wait::timed_out);
  store::InterruptPoint point;
  std::thread interrupter([&point] { point.request(); });
  CHECK(rig.processes->wait(as_bytes("p"), kNever, &point, sleep) == store::Wait::interrupted);
  interrupter.join();
  std::thread answerer([&rig] { rig.processes->heard(rig.asked.keys.front(), true); });
  CHECK(rig.processes->wait(as_bytes("p"), kNever, nullptr, sleep) == store::Wait::ready);
  answerer.join();
}

TEST_CASE("messages beyond the window wait for credit, and a large one may go over it once") {
  Rig rig;
  const auto sleep = own_sleep();
  CHECK(rig.processes->take_room(store::kMessageWindowBytes * 2));
  CHECK_FALSE(rig.processes->take_room(1));
  CHECK(rig.processes->wait_for_room(Clock::now(), nullptr, sleep) == store::Wait::timed_out);
  std::thread taker([&rig] { rig.processes->credit(store::kMessageWindowBytes + 1); });
  CHECK(rig.processes->wait_for_room(kNever, nullptr, sleep) == store::Wait::ready);
  taker.join();
  CHECK(rig.processes->take_room(1));
}

TEST_CASE("credit that was never asked for, or comes late, gives no room") {
  Rig rig;
  CHECK(rig.processes->take_room(store::kMessageWindowBytes));
  rig.processes->credit(store::kMessageWindowBytes * 9);  // more than was sent
  CHECK_FALSE(rig.processes->take_room(1));
  rig.processes->credit(100);
  CHECK(rig.processes->take_room(100));
  rig.processes->credit(50);
  CHECK_FALSE(rig.processes->take_room(1));
}
