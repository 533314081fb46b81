// Threads and event loops that wait in a buffer.
#include <poll.h>
#include <thread>

#include "fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Buffer;
using store::InterruptPoint;
using store::Notifier;
using test::belongs;
using test::BufferFixture;
using test::kWindow;
using Need = Buffer::Need;
using Wait = Buffer::Wait;
using State = store::BufferState;

// A reader on a thread of its own.
class Waiting {
 public:
  Waiting(Buffer& buffer, Need need, InterruptPoint* point = nullptr)
      : thread_([this, &buffer, need, point] {
          result_ = buffer.wait(need, 0, kNever, point, microseconds(0));
        }) {}
  Wait join() {
    thread_.join();
    return result_;
  }

 private:
  Wait result_{};
  std::thread thread_;
};

TEST_CASE("wait: a blocked reader wakes for data, the end, the writer's death and a close") {
  BufferFixture data;
  Waiting for_data(*data.buffer, Need::some);
  data.write(1);
  CHECK(for_data.join() == Wait::ready);

  BufferFixture end;
  Waiting for_end(*end.buffer, Need::end);
  end.write(1);
  end.buffer->end(State::ended);
  CHECK(for_end.join() == Wait::ready);

  BufferFixture death;
  Waiting for_line(*death.buffer, Need::line);
  death.buffer->end(State::writer_died);
  CHECK(for_line.join() == Wait::ended);

  BufferFixture close;
  Waiting for_close(*close.buffer, Need::some);
  close.buffer->close_reader();
  CHECK(for_close.join() == Wait::ended);
}

TEST_CASE("wait: a deadline that has passed is told at once, data comes first") {
  BufferFixture f;
  CHECK(f.buffer->wait(Need::some, 0, Clock::now(), nullptr) == Wait::timed_out);
  CHECK(f.buffer->wait(Need::some, 0, Clock::now() + milliseconds(1), nullptr) == Wait::timed_out);
  f.write(1);
  CHECK(f.buffer->wait(Need::some, 0, Clock::now(), nullptr) == Wait::ready);
}

TEST_CASE("interrupt: a blocked reader leaves, and every wait of its thread until clear()") {
  BufferFixture f;
  InterruptPoint point;
  Waiting reader(*f.buffer, Need::some, &point);
  point.request();
  CHECK(reader.join() == Wait::interrupted);
  CHECK(f.buffer->wait(Need::end, 0, kNever, &point) == Wait::interrupted);
  point.clear();
  CHECK(f.buffer->wait(Need::some, 0, Clock::now(), &point) == Wait::timed_out);
}

TEST_CASE("interrupt: a read that does not block is not interrupted") {
  BufferFixture f;
  InterruptPoint point;
  point.request();
  f.write(1);
  CHECK(f.buffer->wait(Need::some, 0, kNever, &point) == Wait::ready);
}

TEST_CASE("interrupt: one thread's interrupt leaves the other one waiting") {
  BufferFixture f;
  InterruptPoint point;
  Waiting interrupted(*f.buffer, Need::some, &point);
  Waiting other(*f.buffer, Need::some);
  point.request();
  CHECK(interrupted.join() == Wait::interrupted);
  f.write(1);
  CHECK(other.join() == Wait::ready);
}

TEST_CASE("wait: max bytes satisfy a wait for a line or for the end") {
  BufferFixture f;
  f.write(10);
  CHECK(f.buffer->poll(Need::end, 10) == Wait::ready);
  CHECK_FALSE(f.buffer->poll(Need::end, 11));
  BufferFixture line;
  line.buffer->append(as_bytes("no newline"));
  CHECK(line.buffer->poll(Need::line, 10) == Wait::ready);
  CHECK_FALSE(line.buffer->poll(Need::line, 11));
  line.buffer->append(as_bytes("\n"));
  CHECK(line.buffer->poll(Need::line, 0) == Wait::ready);
}

// Sends `total` bytes in `chunk`s as far as it has credit, then the end.
void send(BufferFixture& f, std::uint64_t total, std::size_t chunk) {
  for (std::uint64_t at = 0; at < total;) {
    const std::size_t count = std::min<std::uint64_t>(chunk, total - at);
    if (at + count > kWindow && !f.events.wait_for(at + count)) return;
    const Bytes bytes = test::content(at, count);
    for (std::size_t done = 0; done < count;) {
      const auto room = f.buffer->reserve(count - done);
      if (room.empty()) return;
      std::copy_n(bytes.data() + done, room.size(), room.data());
      f.buffer->commit(room.size());
      done += room.size();
    }
    at += count;
  }
  f.buffer->end(State::ended);
}

// Reads to the end; up to which position were the bytes right?
std::uint64_t receive(BufferFixture& f, std::size_t max) {
  std::uint64_t at = f.buffer->position().read;
  while (f.wait(Need::some) == Wait::ready) {
    const auto pin = f.buffer->take(max);
    if (!belongs(pin.bytes(), at)) return at;
    at += pin.bytes().size();
  }
  return at;
}

TEST_CASE("threads: a writer held by credit and a reader agree on every byte") {
  for (const std::size_t chunk : {std::size_t{1000}, std::size_t{kWindow / 2}}) {
    BufferFixture f;
    std::thread writer(send, std::ref(f), 3'000'001, chunk);
    CHECK(receive(f, 7001) == 3'000'001);
    writer.join();
    CHECK_FALSE(f.events.shrunk());
    CHECK_FALSE(f.in_file());
  }
}

TEST_CASE("threads: a reader that waits for the end of more than the window gets all of it") {
  BufferFixture f;
  std::thread writer(send, std::ref(f), 1'000'000, 10'000);
  CHECK(f.wait(Need::end) == Wait::ready);
  CHECK(f.read(1'000'000));
  writer.join();
}

TEST_CASE("threads: an announced length over the window is waited for without a deadlock") {
  for (const auto& options : {BufferFixture::sized(500'000), BufferFixture::small()}) {
    BufferFixture f(options);
    std::thread writer(send, std::ref(f), 500'000, 10'000);
    CHECK(f.wait(Need::end, 300'000) == Wait::ready);
    CHECK(f.read(300'000));
    CHECK(receive(f, 0) == 500'000);
    writer.join();
  }
}

TEST_CASE("threads: a reader that pins a whole window and reads on gets more") {
  BufferFixture f;
  std::thread writer(send, std::ref(f), 4 * kWindow, 8192);
  CHECK(f.wait(Need::end, kWindow) == Wait::ready);
  const auto pin = f.buffer->take(kWindow);
  CHECK(f.wait(Need::end, 3 * kWindow) == Wait::ready);
  CHECK(f.read(3 * kWindow));
  CHECK(belongs(pin.bytes(), 0));
  writer.join();
}

TEST_CASE("threads: a line longer than the window comes whole") {
  BufferFixture f;
  const Bytes line(3 * kWindow, 'x');
  std::thread writer([&f, &line] {
    for (std::size_t at = 0; at < line.size(); at += 4096) {
      if (at + 4096 > kWindow && !f.events.wait_for(at + 4096)) return;
      f.buffer->append(ByteView(line).subspan(at, 4096));
    }
    if (f.events.wait_for(line.size() + 1)) f.buffer->append(as_bytes("\n"));
  });
  CHECK(f.wait(Need::line) == Wait::ready);
  CHECK(f.buffer->take_line(0).bytes().size() == line.size() + 1);
  writer.join();
}

TEST_CASE("threads: several readers take each byte once") {
  BufferFixture f;
  std::thread writer(send, std::ref(f), 2'000'000, 5000);
  std::atomic<std::uint64_t> sum{0};
  std::atomic<std::uint64_t> count{0};
  const auto reader = [&f, &sum, &count] {
    while (f.wait(Need::some) == Wait::ready) {
      const auto pin = f.buffer->take(3001);
      for (const std::uint8_t byte : pin.bytes())
        sum += byte;
      count += pin.bytes().size();
    }
  };
  std::thread second(reader);
  reader();
  second.join();
  writer.join();
  std::uint64_t expected = 0;
  for (std::uint64_t at = 0; at < 2'000'000; ++at)
    expected += test::byte_at(at);
  CHECK(count == 2'000'000);
  CHECK(sum == expected);
}

TEST_CASE("threads: appends beside reservations lose nothing") {
  BufferFixture f(BufferFixture::seekable());
  constexpr std::size_t kEach = 2000;
  const Bytes ones(100, 1);
  const Bytes twos(77, 2);
  std::thread appender([&f, &ones] {
    for (std::size_t i = 0; i < kEach; ++i)
      f.buffer->append(ones);
  });
  for (std::size_t i = 0; i < kEach; ++i) {
    auto room = f.buffer->reserve(twos.size());
    std::copy_n(twos.data(), room.size(), room.data());
    f.buffer->commit(room.size());
    if (room.size() < twos.size()) f.buffer->append(ByteView(twos).subspan(room.size()));
  }
  appender.join();
  f.buffer->end(State::ended);
  std::size_t counts[3] = {};
  const auto all = f.buffer->peek(0).value();
  for (const std::uint8_t byte : all.bytes())
    ++counts[byte < 3 ? byte : 0];
  CHECK(counts[0] == 0);
  CHECK(counts[1] == kEach * ones.size());
  CHECK(counts[2] == kEach * twos.size());
}

TEST_CASE("threads: a stream that spills while it is read stays whole") {
  BufferFixture f;
  std::thread writer([&f] {
    for (std::uint64_t at = 0; at < 8'000'000; at += 20'000)
      f.buffer->append(test::content(at, 20'000));  // without asking for credit
    f.buffer->end(State::ended);
  });
  CHECK(receive(f, 30'000) == 8'000'000);
  writer.join();
}

std::shared_ptr<Notifier> make_notifier() {
  return std::make_shared<Notifier>(Notifier::open_descriptor().value());
}
// Tokens that the loop was told, if its descriptor is readable now.
std::vector<std::uint64_t> told(Notifier& notifier) {
  pollfd waits{notifier.fd(), POLLIN, 0};
  return ::poll(&waits, 1, 0) == 1 ? notifier.take() : std::vector<std::uint64_t>{};
}
using Tokens = std::vector<std::uint64_t>;

TEST_CASE("notifier: a wait of a loop is told once, when there is something") {
  BufferFixture f;
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 5, Need::some, 0);
  CHECK(told(*notifier).empty());
  f.write(1);
  f.write(1);
  CHECK(told(*notifier) == Tokens{5});
  CHECK(told(*notifier).empty());
  f.buffer->add_waiter(notifier, 6, Need::some, 0);
  CHECK(told(*notifier) == Tokens{6});
}

TEST_CASE("notifier: a wait for a line or the end is told of nothing less") {
  BufferFixture f;
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 1, Need::line, 0);
  f.buffer->add_waiter(notifier, 2, Need::end, 0);
  f.buffer->append(as_bytes("half"));
  CHECK(told(*notifier).empty());
  f.buffer->append(as_bytes(" line\n"));
  CHECK(told(*notifier) == Tokens{1});
  f.write(kWindow);  // the wait for the end lets the writer go on
  CHECK(f.events.up_to() > kWindow);
  f.buffer->end(State::ended);
  CHECK(told(*notifier) == Tokens{2});
}

TEST_CASE("notifier: a wait that was forgotten is not told, the loop's others are") {
  BufferFixture f;
  const auto notifier = make_notifier();
  f.buffer->add_waiter(notifier, 1, Need::end, 0);
  f.buffer->add_waiter(notifier, 2, Need::some, 0);
  f.buffer->forget_waiter(*notifier, 1);
  f.buffer->forget_waiter(*notifier, 3);
  f.buffer->end(State::writer_died);
  CHECK(told(*notifier) == Tokens{2});
}

TEST_CASE("notifier: one that its loop let go of lives until it was told") {
  BufferFixture f;
  std::weak_ptr<Notifier> seen;
  {
    const auto notifier = make_notifier();
    seen = notifier;
    f.buffer->add_waiter(notifier, 1, Need::some, 0);
  }
  CHECK_FALSE(seen.expired());
  f.write(1);
  CHECK(seen.expired());
}

TEST_CASE("notifier: tokens told by another thread arrive, each once") {
  const auto notifier = make_notifier();
  std::thread other([&notifier] {
    for (std::uint64_t token = 0; token < 1000; ++token)
      notifier->notify(token);
  });
  std::uint64_t expected = 0;
  while (expected < 1000) {
    pollfd waits{notifier->fd(), POLLIN, 0};
    ::poll(&waits, 1, -1);
    for (const std::uint64_t token : notifier->take())
      CHECK(token == expected++);
  }
  other.join();
}

}  // namespace
