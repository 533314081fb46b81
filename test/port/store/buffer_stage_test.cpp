// How content moves between heap, ring and file, and how far the writer may go.
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <sys/resource.h>

#include "fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Buffer;
using test::belongs;
using test::BufferFixture;
using test::kThreshold;
using test::kWindow;
using Need = Buffer::Need;
using Wait = Buffer::Wait;
using State = store::BufferState;

TEST_CASE("credit: reading tells the writer, a quarter of the window at a time") {
  BufferFixture f;
  f.write(kWindow);
  REQUIRE(f.read(kWindow / 4 - 1));
  CHECK(f.events.up_to() == 0);
  REQUIRE(f.read(1));
  CHECK(f.events.up_to() == kWindow + kWindow / 4);
}

TEST_CASE("credit: a writer that waits is told of any byte") {
  BufferFixture f;
  f.write(kWindow);
  REQUIRE(f.read(10));
  f.buffer->writer_waits();
  CHECK(f.events.up_to() == kWindow + 10);
  // Told once: the next byte is told only if it waits again.
  REQUIRE(f.read(1));
  CHECK(f.events.up_to() == kWindow + 10);
  f.buffer->writer_waits();
  CHECK(f.events.up_to() == kWindow + 11);
}

TEST_CASE("credit: a writer that waits in vain is told of the next byte read") {
  BufferFixture f;
  f.write(kWindow);
  REQUIRE(f.read(kWindow / 4));
  REQUIRE(f.read(1));
  f.buffer->writer_waits();
  const auto before = f.events.up_to();
  CHECK(before == kWindow + kWindow / 4 + 1);
}

TEST_CASE("credit: a writer that waits for a reader that stands still goes on in the file") {
  BufferFixture f;
  f.write(kWindow);
  CHECK_FALSE(f.in_file());
  f.buffer->writer_waits();
  CHECK(f.events.up_to() == 2 * kWindow);
  f.write(kWindow);
  CHECK(f.in_file());
  CHECK(f.events.up_to() == 3 * kWindow);
  CHECK(f.read(2 * kWindow));
}

TEST_CASE("credit: a reader that moves, however slowly, keeps the content out of the file") {
  BufferFixture f;
  f.write(kWindow);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    REQUIRE(f.read(1));
    f.buffer->writer_waits();
    CHECK(f.events.up_to() == kWindow + i);
    f.write(1);
  }
  CHECK_FALSE(f.in_file());
}

TEST_CASE("credit: pinned bytes hold the writer back, and letting go tells it") {
  BufferFixture f;
  f.write(kWindow);
  {
    const auto pin = f.buffer->take(kWindow);
    CHECK(f.events.up_to() == 0);
    CHECK(belongs(pin.bytes(), 0));
  }
  CHECK(f.events.up_to() == 2 * kWindow);
}

TEST_CASE("credit: more than was granted is stored all the same") {
  BufferFixture f;
  f.write(10 * kWindow);
  CHECK(f.in_file());
  CHECK(f.read(10 * kWindow));
}

TEST_CASE("file: a drained stream goes back to the ring and gives the file back") {
  BufferFixture f;
  f.write(3 * kWindow);
  REQUIRE(f.read(3 * kWindow));
  CHECK(f.in_file());
  f.write(100);
  CHECK_FALSE(f.in_file());
  CHECK(f.budget.file_bytes() == 0);
  CHECK(f.read(100));
}

TEST_CASE("file: the blocks behind the reader of a long stream are given back") {
  BufferFixture f;
  constexpr std::size_t kChunk = 1 << 20;
  f.write(kChunk);
  std::uint64_t peak = 0;
  for (int i = 0; i < 24; ++i) {
    f.write(kChunk);
    REQUIRE(f.read(kChunk));
    peak = std::max(peak, f.budget.file_bytes());
  }
  CHECK(peak <= 7 * kChunk);
  CHECK(f.buffer->position().kept > 16 * kChunk);
  CHECK(f.read(kChunk));
}

TEST_CASE("file: pinned bytes are not given back when the reader is far ahead") {
  BufferFixture f;
  constexpr std::size_t kChunk = 1 << 20;
  f.write(2 * kChunk);
  const auto pin = f.buffer->take(1000);
  for (int i = 0; i < 12; ++i) {
    f.write(kChunk);
    REQUIRE(f.read(kChunk));
  }
  CHECK(f.budget.file_bytes() >= 13 * kChunk);
  CHECK(belongs(pin.bytes(), 0));
}

TEST_CASE("file: with Retain::all content larger than the first mapping stays at one address") {
  BufferFixture f(BufferFixture::seekable());
  constexpr std::size_t kChunk = 4 << 20;
  const Bytes chunk = test::content(0, kChunk);
  f.buffer->append(chunk);
  const auto early = f.buffer->peek(0).value();
  for (int i = 0; i < 17; ++i)
    f.buffer->append(chunk);
  const auto all = f.buffer->peek(0).value();
  REQUIRE(all.bytes().size() == 18 * kChunk);
  for (std::size_t i = 0; i < 18; ++i)
    CHECK(std::equal(chunk.begin(), chunk.end(), all.bytes().subspan(i * kChunk).begin()));
  CHECK(std::equal(chunk.begin(), chunk.end(), early.bytes().begin()));
}

TEST_CASE("file: no memory in the budget sends even small content to the file") {
  store::BudgetLimits limits;
  limits.memory_bytes_max = 0;
  BufferFixture f(BufferFixture::small(), limits);
  f.write(10);
  CHECK(f.in_file());
  CHECK(f.read(10));
  f.write(10);
  CHECK(f.read(10));
  CHECK(f.budget.memory_bytes() == 0);
}

TEST_CASE("budget: beyond bytes_max writers wait until another buffer gives room") {
  store::BudgetLimits limits;
  limits.bytes_max = 8 * kWindow;
  BufferFixture f(BufferFixture::seekable(), limits);
  test::NotedEvents other_events;
  auto other = std::make_shared<Buffer>(8, BufferFixture::seekable(), f.budget, other_events);
  other->append(test::content(0, 7 * kWindow + 1));
  f.write(kThreshold + 1);
  f.write(kWindow - kThreshold - 1);
  CHECK(f.in_file());
  CHECK(f.events.up_to() == 0);
  f.buffer->writer_waits();
  CHECK(f.events.up_to() == 0);
  other.reset();
  CHECK(f.events.up_to() == 2 * kWindow);
}

TEST_CASE("fault: a directory that is not there refuses writes, and what was stored stays") {
  store::BudgetLimits limits;
  limits.tmp_dir = "/no/such/directory";
  BufferFixture f(BufferFixture::seekable(), limits);
  f.write(kThreshold);
  f.write(1);
  CHECK(f.buffer->position().state == State::no_space);
  CHECK(f.events.refusals() == std::vector{State::no_space});
  CHECK(f.wait(Need::end) == Wait::ended);
  CHECK(f.read(kThreshold));
  CHECK(f.wait(Need::some) == Wait::ended);
}

// Files may have so many bytes while this lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_CASE("fault: a file that cannot grow any more keeps every byte it has") {
  BufferFixture f(BufferFixture::seekable());
  f.write(2 * kThreshold);
  {
    const FileLimit limit(3 * kThreshold + 5);
    f.write(2 * kThreshold);
  }
  CHECK(f.buffer->position().state == State::no_space);
  CHECK(f.events.refusals() == std::vector{State::no_space});
  CHECK(f.buffer->position().written == 3 * kThreshold + 5);
  CHECK(f.read(3 * kThreshold + 5));
  CHECK(f.wait(Need::some) == Wait::ended);
}

TEST_CASE("fault: a full disk leaves no wait of a loop untold") {
  BufferFixture f(BufferFixture::seekable());
  const auto notifier =
      std::make_shared<store::Notifier>(store::Notifier::open_descriptor().value());
  f.write(2 * kThreshold);
  REQUIRE(f.read(2 * kThreshold));
  f.buffer->add_waiter(notifier, 1, Need::some, 0);  // the bytes that are stored end it
  f.buffer->add_waiter(notifier, 2, Need::end, 0);   // that no more come does
  {
    const FileLimit limit(3 * kThreshold);
    f.write(2 * kThreshold);
  }
  std::vector<std::uint64_t> told = notifier->take();
  std::sort(told.begin(), told.end());
  CHECK(told == std::vector<std::uint64_t>{1, 2});
}

std::size_t count_in(const char* directory) {
  std::size_t count = 0;
  DIR* const open = ::opendir(directory);
  while (::readdir(open) != nullptr)
    ++count;
  ::closedir(open);
  return count;
}
std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("pyport") != std::string::npos || line.find("deleted") != std::string::npos;
  return count;
}

TEST_CASE("spares: rings are used again, and only so many are kept") {
  const std::size_t before = count_mappings();
  {
    test::NotedEvents events;
    store::Budget budget({});
    const Bytes bytes = test::content(0, (1 << 20) + 1);
    for (int round = 0; round < 2; ++round) {
      std::vector<std::shared_ptr<Buffer>> buffers;
      for (std::size_t i = 0; i < store::kSpareRingCountMax + 2; ++i) {
        buffers.push_back(std::make_shared<Buffer>(i, store::BufferOptions{}, budget, events));
        buffers.back()->append(bytes);
        CHECK(buffers.back()->usage().memory_bytes == store::kRingBytesDefault);
      }
      buffers.clear();
      CHECK(count_mappings() == before + 2 * store::kSpareRingCountMax);
    }
    CHECK(budget.memory_bytes() == 0);
  }
  CHECK(count_mappings() == before);
}

TEST_CASE("leak: buffers in every stage leave no descriptor, mapping, memory or file") {
  store::BudgetLimits limits;
  limits.tmp_dir = test::tmp_dir();
  test::NotedEvents events;
  const std::size_t descriptors = count_in("/proc/self/fd");
  const std::size_t mappings = count_mappings();
  store::Budget budget(limits);
  const Bytes bytes = test::content(0, 2 * kWindow);
  for (int i = 0; i < 3000; ++i) {
    const auto options = i % 2 == 0 ? BufferFixture::small() : BufferFixture::seekable();
    auto buffer = std::make_shared<Buffer>(1, options, budget, events);
    buffer->append(ByteView(bytes).first(i % 3 == 0 ? 100 : kThreshold));
    if (i % 3 == 2) buffer->append(bytes);
    const auto pin = buffer->take(50);
    buffer.reset();
    CHECK(belongs(pin.bytes(), 0));
  }
  CHECK(budget.memory_bytes() == 0);
  CHECK(budget.file_bytes() == 0);
  CHECK(count_in("/proc/self/fd") == descriptors);
  CHECK(count_mappings() == mappings);
}

}  // namespace
