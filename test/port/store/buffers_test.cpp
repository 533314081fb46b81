#include "store/buffers.hpp"

#include "fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Buffers;
using test::BufferFixture;
using State = store::BufferState;

struct BuffersFixture {
  explicit BuffersFixture(std::size_t count_max = 10'000)
      : buffers({}, events, count_max, dropped) {}
  Result<Done> create(std::uint64_t number, store::Retain retain = store::Retain::unread) {
    store::BufferOptions options = BufferFixture::small();
    options.retain = retain;
    return buffers.create(number, as_bytes("ref" + std::to_string(number)), options);
  }
  test::NotedEvents events;
  store::Dropped dropped;
  Buffers buffers;
};

TEST_CASE("buffers: one is found by its number and by its reference, until it is dropped") {
  BuffersFixture f;
  CHECK(f.buffers.find(1) == nullptr);
  REQUIRE(f.create(1).ok());
  const auto buffer = f.buffers.find(1);
  REQUIRE(buffer != nullptr);
  CHECK(f.buffers.find(as_bytes("ref1")) == buffer);
  CHECK(f.buffers.find(as_bytes("ref2")) == nullptr);
  CHECK(as_chars(Buffers::reference_of(*buffer)) == "ref1");
  f.buffers.drop(1);
  CHECK(f.buffers.find(1) == nullptr);
  CHECK(f.buffers.find(as_bytes("ref1")) == nullptr);
  CHECK(f.buffers.counts().count == 0);
  CHECK(as_chars(Buffers::reference_of(*buffer)) == "ref1");
}

TEST_CASE("buffers: a number or reference that is known, and one too many, are errors") {
  BuffersFixture f(2);
  REQUIRE(f.create(1).ok());
  CHECK(f.create(1).error().code == Errc::protocol);
  CHECK(f.buffers.create(2, as_bytes("ref1"), {}).error().code == Errc::protocol);
  REQUIRE(f.create(3).ok());
  CHECK(f.create(4).error().code == Errc::too_large);
  f.buffers.drop(1);
  CHECK(f.create(4).ok());
}

TEST_CASE("buffers: dropping an open one cuts it off, dropping a closed one does not") {
  BuffersFixture f;
  REQUIRE(f.create(1).ok());
  REQUIRE(f.create(2).ok());
  const auto open = f.buffers.find(1);
  const auto closed = f.buffers.find(2);
  f.buffers.end(2, State::ended);
  f.buffers.drop(1);
  f.buffers.drop(2);
  f.buffers.drop(3);
  CHECK(open->position().state == State::writer_died);
  CHECK(closed->position().state == State::ended);
}

// Python takes it, reads to its end and lets go.
void use_up(Buffers& buffers, std::uint64_t number) {
  const auto buffer = buffers.find(number);
  buffers.held(buffer);
  buffer->append(as_bytes("content"));
  static_cast<void>(buffer->take(0));
  buffers.end(number, State::ended);
  buffers.released(buffer);
}

TEST_CASE("buffers: one that was closed, drained and let go of gives its content back") {
  BuffersFixture f;
  REQUIRE(f.create(1).ok());
  use_up(f.buffers, 1);
  CHECK(f.buffers.counts().memory_bytes == 0);
  const auto again = f.buffers.find(as_bytes("ref1"));
  REQUIRE(again != nullptr);
  CHECK(again->position().read == 7);
  CHECK(f.events.forgotten_numbers().empty());
}

TEST_CASE("buffers: one that retains all keeps its content whoever let go of it") {
  BuffersFixture f;
  REQUIRE(f.create(1, store::Retain::all).ok());
  use_up(f.buffers, 1);
  const auto again = f.buffers.find(as_bytes("ref1"));
  REQUIRE(again != nullptr);
  REQUIRE(again->seek(0));
  CHECK(as_chars(again->take(0).bytes()) == "content");
  for (std::uint64_t number = 2; number < store::kDrainedCountMax + 4; ++number) {
    REQUIRE(f.create(number).ok());
    use_up(f.buffers, number);
  }
  CHECK(f.buffers.find(1) == again);
  f.buffers.drop(1);
  CHECK(f.buffers.find(as_bytes("ref1")) == nullptr);
}

TEST_CASE("buffers: one that is dropped is found until the requests before that are decoded") {
  BuffersFixture f;
  CHECK(f.dropped.undecoded() == nullptr);
  for (std::uint64_t number = 1; number < 5; ++number)
    REQUIRE(f.create(number).ok());
  auto first = f.dropped.undecoded();
  auto second = f.dropped.undecoded();
  f.buffers.drop(1);
  auto third = f.dropped.undecoded();
  f.buffers.drop(2);
  f.buffers.drop(3);
  CHECK(f.buffers.counts().count == 1);
  CHECK(f.buffers.find(std::uint64_t{1}) == nullptr);
  const auto found = f.buffers.find(as_bytes("ref1"));
  REQUIRE(found != nullptr);
  CHECK(found->position().state == State::writer_died);
  third.reset();  // the others came before the drop of 2 too
  first.reset();
  f.dropped.forget();
  CHECK(f.buffers.find(as_bytes("ref1")) == found);
  CHECK(f.buffers.find(as_bytes("ref2")) != nullptr);
  CHECK(f.dropped.any());
  second.reset();
  f.dropped.forget();
  for (const char* const reference : {"ref1", "ref2", "ref3"})
    CHECK(f.buffers.find(as_bytes(reference)) == nullptr);
  CHECK_FALSE(f.dropped.any());
  CHECK(f.buffers.find(as_bytes("ref4")) != nullptr);
}

TEST_CASE("buffers: a drop waits only for the requests that came before it") {
  BuffersFixture f;
  REQUIRE(f.create(1).ok());
  REQUIRE(f.create(2).ok());
  auto before = f.dropped.undecoded();
  f.buffers.drop(1);
  const auto after = f.dropped.undecoded();
  before.reset();
  f.dropped.forget();
  CHECK(f.buffers.find(as_bytes("ref1")) == nullptr);
}

TEST_CASE("buffers: of those that were dropped the oldest go when there are too many") {
  BuffersFixture f;
  REQUIRE(f.create(0).ok());
  const auto request = f.dropped.undecoded();
  for (std::uint64_t number = 1; number < store::kDroppedCountMax + 2; ++number) {
    REQUIRE(f.create(number).ok());
    f.buffers.drop(number);
  }
  CHECK(f.buffers.find(as_bytes("ref1")) == nullptr);
  CHECK(f.buffers.find(as_bytes("ref2")) != nullptr);
}

TEST_CASE("buffers: of those that were dropped the oldest go when they hold too much") {
  BuffersFixture f;
  const Bytes half(store::kDroppedBytesMax / 2, 1);
  REQUIRE(f.create(0).ok());
  const auto request = f.dropped.undecoded();
  for (std::uint64_t number = 1; number < 4; ++number) {
    REQUIRE(f.create(number, store::Retain::all).ok());
    f.buffers.find(number)->append(half);
    f.buffers.drop(number);
  }
  CHECK(f.buffers.find(as_bytes("ref1")) == nullptr);
  CHECK(f.buffers.find(as_bytes("ref3")) != nullptr);
}

TEST_CASE("buffers: the close of one that was let go of before gives its content back") {
  BuffersFixture f;
  REQUIRE(f.create(1).ok());
  const auto buffer = f.buffers.find(1);
  f.buffers.held(buffer);
  buffer->append(as_bytes("content"));
  static_cast<void>(buffer->take(0));
  f.buffers.released(buffer);
  CHECK(f.buffers.counts().memory_bytes > 0);
  f.buffers.end(1, State::ended);
  CHECK(f.buffers.counts().memory_bytes == 0);
}

TEST_CASE("buffers: one that Python never had keeps its content when it is closed") {
  BuffersFixture f;
  REQUIRE(f.create(1).ok());
  f.buffers.end(1, State::ended);
  for (std::uint64_t number = 2; number < store::kDrainedCountMax + 4; ++number) {
    REQUIRE(f.create(number).ok());
    use_up(f.buffers, number);
  }
  CHECK(f.buffers.find(1) != nullptr);
}

TEST_CASE("buffers: the drained ones beyond the limit are forgotten, the oldest first") {
  BuffersFixture f;
  for (std::uint64_t number = 0; number < store::kDrainedCountMax + 2; ++number) {
    REQUIRE(f.create(number).ok());
    use_up(f.buffers, number);
  }
  CHECK(f.events.forgotten_numbers() == std::vector<std::uint64_t>{0, 1});
  CHECK(f.buffers.find(std::uint64_t{0}) == nullptr);
  CHECK(f.buffers.find(2) != nullptr);
  CHECK(f.buffers.counts().count == store::kDrainedCountMax);
}

TEST_CASE("buffers: one that Python holds again is not forgotten") {
  BuffersFixture f;
  REQUIRE(f.create(0).ok());
  use_up(f.buffers, 0);
  const auto held = f.buffers.find(std::uint64_t{0});
  f.buffers.held(held);
  for (std::uint64_t number = 1; number < store::kDrainedCountMax + 2; ++number) {
    REQUIRE(f.create(number).ok());
    use_up(f.buffers, number);
  }
  CHECK(f.buffers.find(std::uint64_t{0}) == held);
  f.buffers.released(held);
  CHECK(f.events.forgotten_numbers() == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("buffers: ten thousand small ones cost little more than their content") {
  BuffersFixture f;
  for (std::uint64_t number = 0; number < 10'000; ++number) {
    REQUIRE(f.create(number).ok());
    f.buffers.find(number)->append(as_bytes("hundred bytes would also do"));
  }
  CHECK(f.buffers.counts().memory_bytes <= 10'000 * 4096);
  CHECK(f.buffers.counts().file_bytes == 0);
  for (std::uint64_t number = 0; number < 10'000; ++number)
    f.buffers.drop(number);
  CHECK(f.buffers.counts().count == 0);
  CHECK(f.buffers.counts().memory_bytes == 0);
}

}  // namespace
