// What buffers do when the budget or the system has no more room for them.
#include "fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Buffer;
using store::Notifier;
using test::BufferFixture;
using test::kThreshold;
using test::kWindow;
using Need = Buffer::Need;
using State = store::BufferState;

constexpr std::uint64_t kLimit = 8 * kWindow;

store::BudgetLimits limited() {
  store::BudgetLimits limits;
  limits.bytes_max = kLimit;
  return limits;
}

std::shared_ptr<Notifier> make_notifier() {
  return std::make_shared<Notifier>(Notifier::open_descriptor().value());
}

// Writes to the end of its credit, and waits for more.
void use_credit(BufferFixture& f) {
  const std::uint64_t up_to = std::max<std::uint64_t>(kWindow, f.events.up_to());
  const std::uint64_t written = f.buffer->position().written;
  if (written < up_to) f.write(up_to - written);
  f.buffer->writer_waits();
}

TEST_CASE("room: content that fills the limit alone ends the wait for its end") {
  BufferFixture f(BufferFixture::small(), limited());
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 1, Need::end, 0);
  for (int i = 0; i < 20; ++i)
    use_credit(f);
  CHECK(f.events.refusals() == std::vector{State::no_space});
  CHECK(notifier->take() == std::vector<std::uint64_t>{1});
  const std::uint64_t written = f.buffer->position().written;
  CHECK(written <= kLimit);
  CHECK(f.read(written));
}

TEST_CASE("room: Retain::all stays within the limit though its reader keeps up") {
  BufferFixture f(BufferFixture::seekable(), limited());
  for (int i = 0; i < 100; ++i) {
    use_credit(f);
    static_cast<void>(f.buffer->take(0));
  }
  CHECK(f.buffer->position().written <= kLimit);
  CHECK(f.budget.file_bytes() <= kLimit);
  CHECK(f.buffer->position().state == State::open);  // nobody waits for more
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 1, Need::some, 0);
  f.buffer->writer_waits();
  CHECK(f.events.refusals() == std::vector{State::no_space});
  CHECK(notifier->take() == std::vector<std::uint64_t>{1});
}

TEST_CASE("room: an announced length that fits the limit comes whole") {
  store::BufferOptions options = BufferFixture::seekable();
  options.length = kLimit - 100;
  BufferFixture f(options, limited());
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 1, Need::end, 0);
  while (f.events.up_to() < kLimit - 100 && f.events.refusals().empty())
    use_credit(f);
  f.write(kLimit - 100 - f.buffer->position().written);
  CHECK(f.buffer->poll(Need::end, 0) == Buffer::Wait::ready);
  CHECK(f.read(kLimit - 100));
}

TEST_CASE("room: what lies behind the reader gives room before anybody is refused") {
  BufferFixture f(BufferFixture::small(), limited());
  f.write(6 * kWindow);
  REQUIRE(f.read(5 * kWindow));
  CHECK(f.budget.file_bytes() == 6 * kWindow);
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 1, Need::end, 0);
  for (int i = 0; i < 8; ++i)
    use_credit(f);
  CHECK(f.buffer->position().written >= 10 * kWindow);
  CHECK(f.budget.file_bytes() <= kLimit);
}

TEST_CASE("room: buffers that fill the limit together do not wait for each other for ever") {
  BufferFixture f(BufferFixture::small(), limited());
  test::NotedEvents other_events;
  const auto other = std::make_shared<Buffer>(8, BufferFixture::seekable(), f.budget, other_events);
  other->append(test::content(0, kLimit - kWindow - 1));
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 1, Need::end, 0);
  use_credit(f);
  for (unsigned i = 2; i < store::kWaitsInVainMax; ++i)
    f.buffer->writer_waits();
  CHECK(f.buffer->position().state == State::open);
  SUBCASE("one that gets nothing is refused") {
    f.buffer->writer_waits();
    CHECK(f.events.refusals() == std::vector{State::no_space});
    CHECK(notifier->take() == std::vector<std::uint64_t>{1});
  }
  SUBCASE("as long as something is given back, all wait") {
    { const auto share = store::MemoryShare::take(f.budget, 1); }
    f.buffer->writer_waits();
    CHECK(f.buffer->position().state == State::open);
  }
}

TEST_CASE("room: interrupts leave one wait for room, not one each") {
  BufferFixture f(BufferFixture::seekable(), limited());
  test::NotedEvents other_events;
  auto other = std::make_shared<Buffer>(8, BufferFixture::seekable(), f.budget, other_events);
  other->append(test::content(0, kLimit - kWindow));
  f.write(kWindow);
  f.buffer->writer_waits();
  CHECK(f.budget.room_wait_count() == 1);
  for (int i = 0; i < 5; ++i)
    f.buffer->wake_all();
  f.buffer->writer_waits();
  CHECK(f.budget.room_wait_count() == 1);
  other.reset();
  CHECK(f.budget.room_wait_count() == 0);
  CHECK(f.events.up_to() == 2 * kWindow);
}

TEST_CASE("credit: a writer that waits again for a reader that stands still after all goes on") {
  store::BufferOptions options = BufferFixture::small();
  options.overflow_threshold = 1 << 20;
  BufferFixture f(options);
  f.write(kWindow);
  f.buffer->writer_waits();
  CHECK(f.events.up_to() == 2 * kWindow);
  REQUIRE(f.read(10));
  f.write(kWindow);
  f.buffer->writer_waits();  // the reader did something since it was told
  CHECK(f.events.up_to() == 2 * kWindow);
  f.buffer->writer_waits();
  CHECK(f.events.up_to() == 3 * kWindow);
}

TEST_CASE("heap: a block that may stay in memory takes what the budget has") {
  constexpr std::size_t kChunk = 1 << 20;
  store::BufferOptions options = BufferFixture::seekable();
  options.overflow_threshold = UINT64_MAX;
  store::BudgetLimits limits;
  limits.memory_bytes_max = 20 * kChunk;
  BufferFixture f(options, limits);
  for (int i = 0; i < 9; ++i)
    f.write(kChunk);
  CHECK_FALSE(f.in_file());
  CHECK(f.budget.memory_bytes() <= 20 * kChunk);
  CHECK(f.read(9 * kChunk));
}

#ifndef PYPORT_SANITIZED  // whose allocators end the process
TEST_CASE("heap: a block that the system does not have is no end of the program") {
  store::BufferOptions options = BufferFixture::seekable();
  options.overflow_threshold = UINT64_MAX;
  options.length = std::uint64_t{1} << 50;
  store::BudgetLimits limits;
  limits.memory_bytes_max = limits.bytes_max = UINT64_MAX;
  BufferFixture f(options, limits);
  f.write(1000);
  f.write(kThreshold);
  CHECK(f.buffer->position().state == State::open);
  CHECK(f.read(1000 + kThreshold));
}
#endif

TEST_CASE("spares: appends beside a reservation in a file leave its block to others") {
  store::BufferOptions options = BufferFixture::small();
  options.overflow_threshold = 0;
  options.retain = store::Retain::all;
  BufferFixture f(options);
  f.write(1);
  const auto room = f.buffer->reserve(10);
  REQUIRE_FALSE(room.empty());
  f.buffer->append(test::content(1, 5));
  f.buffer->commit(0);
  CHECK(f.read(6));
  CHECK(f.budget.spares().take_scratch().get() == room.data());
}

}  // namespace
