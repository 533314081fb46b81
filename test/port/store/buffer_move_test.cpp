// Readers that go on, or back, while content moves from one stage to another.
#include <thread>

#include "fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Buffer;
using test::belongs;

store::BufferOptions options_of(std::uint32_t window, std::uint64_t threshold) {
  store::BufferOptions options;
  options.window = window;
  options.overflow_threshold = threshold;
  return options;
}

// Does `act` again and again on another thread while this lives.
template <class Act>
class Meanwhile {
 public:
  explicit Meanwhile(const Act& act)
      : thread_([this, act] {
          while (!done_.load()) {
            act();
            ++count_;
          }
        }) {
    while (count_.load() == 0)
      std::this_thread::yield();
  }
  ~Meanwhile() {
    done_.store(true);
    thread_.join();
  }
  Meanwhile(const Meanwhile&) = delete;
  Meanwhile& operator=(const Meanwhile&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::atomic<int> count_{0};
  std::thread thread_;
};

// All that can be sought is right, and lies within the ring if the content is in one.
void check_whole(Buffer& buffer) {
  const Buffer::Position at = buffer.position();
  CHECK(at.kept <= at.read);
  if (buffer.usage().file_bytes == 0) CHECK(at.written - at.kept <= buffer.usage().memory_bytes);
  REQUIRE(buffer.seek(at.kept));
  const auto pin = buffer.peek(0).value();
  CHECK(pin.bytes().size() == at.written - at.kept);
  CHECK(belongs(pin.bytes(), at.kept));
}

TEST_CASE("move: a reader that goes back while a ring is made finds what is there") {
  // More than the ring takes, from a heap block or a file.
  std::uint64_t content = 0;
  std::uint64_t threshold = 0;
  SUBCASE("out of a heap block") {
    content = threshold = 1 << 20;
  }
  SUBCASE("out of a file") {
    content = 1 << 20;
  }
  for (int round = 0; round < 100; ++round) {
    test::NotedEvents events;
    store::Budget budget({});
    const auto buffer =
        std::make_shared<Buffer>(1, options_of(64 << 10, threshold), budget, events);
    buffer->append(test::content(0, content));
    const Bytes more = test::content(content, 1000);
    {
      // What it finds the content to be depends on when it is asked.
      const Meanwhile reader([buffer] {
        static_cast<void>(buffer->take(0));
        static_cast<void>(buffer->seek(0));
      });
      buffer->append(more);
    }
    check_whole(*buffer);
  }
}

TEST_CASE("move: what was read while a ring is made cannot be sought any more") {
  constexpr std::uint32_t kRing = 16 << 20;
  constexpr std::uint64_t kContent = 8 << 20;  // so much that the reader goes on while it is copied
  for (int round = 0; round < 20; ++round) {
    test::NotedEvents events;
    store::Budget budget({});
    const auto buffer = std::make_shared<Buffer>(1, options_of(kRing, kContent), budget, events);
    buffer->append(test::content(0, kContent));
    const Bytes more = test::content(kContent, 1);
    {
      // Often enough to read while it is copied, too seldom to hide what that left.
      const Meanwhile reader([buffer] {
        static_cast<void>(buffer->take(1));
        for (const auto end = Clock::now() + microseconds(300); Clock::now() < end;)
          std::this_thread::yield();
      });
      buffer->append(more);
      const Buffer::Position at = buffer->position();
      CHECK(buffer->usage().file_bytes == 0);
      CHECK(at.kept == at.read);
    }
    // Once round: nothing that was left behind comes back.
    buffer->append(test::content(kContent + 1, kRing - kContent - 1));
    check_whole(*buffer);
  }
}

}  // namespace
