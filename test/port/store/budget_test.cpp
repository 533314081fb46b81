// What is counted together for all.
#include "store/budget.hpp"

#include <atomic>
#include <thread>

#include <doctest/doctest.h>

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test

TEST_CASE("budget: one who is refused takes nothing from others, not even for a moment") {
  store::Budget budget({100, 100, {}});
  std::atomic<bool> done{false};
  std::thread refused([&budget, &done] {
    while (!done.load())
      if (budget.take_memory(101)) budget.give_memory(101);
  });
  int denied = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (budget.take_memory(60))
      budget.give_memory(60);
    else
      ++denied;
  }
  done.store(true);
  refused.join();
  CHECK(denied == 0);
  CHECK(budget.memory_bytes() == 0);
}

}  // namespace
