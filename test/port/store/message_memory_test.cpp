#include "store/message_memory.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::MessageMemory;

TEST_CASE("message memory: what was given is used for messages of about its size, and no others") {
  MessageMemory memory;
  Payload first = memory.take(65545).value();
  CHECK(first.size() == 65545);
  const std::uint8_t* const at = first.data();
  memory.give(std::move(first));
  Payload larger = memory.take(100'000).value();
  CHECK(larger.size() == 100'000);
  CHECK(larger.data() != at);
  Payload much_smaller = memory.take(10'000).value();
  CHECK(much_smaller.data() != at);
  Payload again = memory.take(60'000).value();
  CHECK(again.data() == at);
  CHECK(again.size() == 60'000);
  CHECK(memory.take(65545).value().data() != at);
}

TEST_CASE("message memory: what is kept is bounded, and neither small nor huge") {
  MessageMemory memory;
  std::vector<Payload> all;
  all.reserve(10);
  for (int i = 0; i < 10; ++i)
    all.push_back(memory.take(MessageMemory::kBytesMax).value());
  for (Payload& one : all)
    memory.give(std::move(one));
  CHECK(memory.spare_bytes() == MessageMemory::kSpareBytesMax);
  memory.give(Payload::with_size(100).value());
  memory.give(Payload::with_size(MessageMemory::kBytesMax * 2).value());
  CHECK(memory.spare_bytes() == MessageMemory::kSpareBytesMax);
  const Payload taken = memory.take(MessageMemory::kBytesMax).value();
  CHECK(taken.size() == MessageMemory::kBytesMax);
  CHECK(memory.spare_bytes() == MessageMemory::kSpareBytesMax - MessageMemory::kBytesMax);
}

}  // namespace
