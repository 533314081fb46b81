#include "link/bulk_lane.hpp"

#include <sys/socket.h>
#include <thread>

#include <doctest/doctest.h>

#include "fakes.hpp"
#include "link/bulk_writer.hpp"
#include "link/session.hpp"

namespace {

using namespace pyport;        // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::link;  // NOLINT(google-build-using-namespace) -- a test of one layer
using pyport::test::call_message;
using pyport::test::packet;
using pyport::test::resource_message;

constexpr std::size_t kPacketBytesMax = 8U << 20;

Bytes pattern(std::size_t count, std::uint8_t seed = 1) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::uint8_t>(seed + i * 7 + i / 251);
  return bytes;
}

Bytes write_packet(std::uint64_t number, ByteView data) {
  return packet(resource_message(wire::Op::buffer_write, number, data));
}

// A lane over a socket pair; the test steps it on its own thread.
struct Rig {
  test::MessagesRig program;
  test::FakeWrites writes;
  WakeFd wake;
  UniqueFd beam;
  UniqueFd lane_end;
  std::optional<BulkLane> lane;

  Rig() {
    int fds[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    beam = UniqueFd(fds[0]);
    lane_end = UniqueFd(fds[1]);
    const int bytes = 4 << 20;
    for (const int fd : fds)
      static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
    lane.emplace(
        lane_end.get(), LaneParts{program.messages, program.writer, wake, kPacketBytesMax}, writes);
  }
  // REQUIRES: it fits what is left of the socket's buffer.
  void put(ByteView bytes) const {
    REQUIRE(::send(beam.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) ==
            static_cast<ssize_t>(bytes.size()));
  }
  // Steps until all that was put has been read.
  void drain() {
    std::uint8_t peeked = 0;
    while (::recv(lane_end.get(), &peeked, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
      auto status = lane->step();
      REQUIRE(status.ok());
      REQUIRE(status.value() == BulkLane::Status::some);
    }
  }
};

TEST_CASE("bulk lane: many small writes to one buffer are one read and one commit") {
  Rig rig;
  rig.writes.buffers[1];
  Bytes sent;
  for (std::uint8_t i = 0; i < 20; ++i) {
    const Bytes data = pattern(100, i);
    rig.put(write_packet(1, data));
    put_bytes(sent, data);
  }
  auto status = rig.lane->step();
  REQUIRE(status.ok());
  CHECK(rig.writes.buffers[1] == sent);
  CHECK(rig.writes.commits == std::vector<std::size_t>{2000});
  CHECK(rig.writes.selects == 1);
  CHECK(rig.writes.selected == nullptr);  // the lane holds no buffer while it waits
}

TEST_CASE("bulk lane: writes to several buffers go each to its own") {
  Rig rig;
  rig.writes.buffers[1];
  rig.writes.buffers[2];
  for (const std::uint8_t seed : pattern(3)) {
    rig.put(write_packet(1, pattern(10, seed)));
    rig.put(write_packet(2, pattern(20, seed)));
  }
  rig.drain();
  CHECK(rig.writes.buffers[1].size() == 30);
  CHECK(rig.writes.buffers[2].size() == 60);
}

TEST_CASE("bulk lane: a large write is received in the memory of its buffer") {
  Rig rig;
  rig.writes.buffers[1];
  const Bytes first = pattern(1 << 20);
  const Bytes second = pattern(300'000, 9);
  rig.put(write_packet(1, first));
  rig.put(write_packet(1, second));
  rig.put(write_packet(1, pattern(3, 5)));
  rig.drain();
  Bytes expected = first;
  put_bytes(expected, second);
  put_bytes(expected, pattern(3, 5));
  CHECK(rig.writes.buffers[1] == expected);
  // The first read takes what fits the scratch block; all the rest is reserved at once.
  REQUIRE(rig.writes.reservations.size() >= 2);
  CHECK(rig.writes.reservations[1] > 900'000);
}

TEST_CASE("bulk lane: messages to channels arrive whole and in order, large ones where they stay") {
  Rig rig;
  std::vector<Bytes> messages;
  for (const std::size_t bytes :
       std::vector<std::size_t>{10, 40000, 9000, 0, 65536, 65536, 20000, 300000, 7})
    messages.push_back(pattern(bytes, static_cast<std::uint8_t>(messages.size())));
  for (const Bytes& message : messages)
    rig.put(packet(resource_message(wire::Op::channel_send, 3, message)));
  rig.drain();
  const auto& sent = rig.program.resources.sent;
  REQUIRE(sent.size() == messages.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    CHECK(sent[i].channel == 3);
    CHECK(sent[i].own == (messages[i].size() > 4096));
    const std::size_t head = sent[i].own ? 0 : 13;
    CHECK(Bytes(sent[i].bytes.begin() + static_cast<long>(head), sent[i].bytes.end()) ==
          messages[i]);
  }
}

TEST_CASE("bulk lane: a buffer that gives little room at a time gets all bytes in order") {
  Rig rig;
  rig.writes.buffers[1];
  rig.writes.room = 4096;
  const Bytes data = pattern(200'000);
  rig.put(write_packet(1, data));
  rig.put(write_packet(1, pattern(5000, 3)));
  rig.drain();
  Bytes expected = data;
  put_bytes(expected, pattern(5000, 3));
  CHECK(rig.writes.buffers[1] == expected);
}

TEST_CASE("bulk lane: packets that arrive byte by byte are put together") {
  Rig rig;
  rig.writes.buffers[1];
  Bytes stream = write_packet(1, pattern(50));
  put_bytes(stream, packet(call_message(5, 0)));
  put_bytes(stream, write_packet(1, pattern(4, 2)));
  for (const std::uint8_t byte : stream) {
    rig.put(Bytes{byte});
    rig.drain();
  }
  Bytes expected = pattern(50);
  put_bytes(expected, pattern(4, 2));
  CHECK(rig.writes.buffers[1] == expected);
  CHECK(rig.program.dispatcher.counts().requests == 1);
}

TEST_CASE("bulk lane: data for a buffer that is not known is thrown away, what follows is not") {
  Rig rig;
  rig.writes.buffers[2];
  rig.put(write_packet(1, pattern(10)));
  rig.put(write_packet(1, pattern(500'000)));
  rig.put(write_packet(2, pattern(7)));
  rig.drain();
  CHECK(rig.writes.buffers.size() == 1);
  CHECK(rig.writes.buffers[2] == pattern(7));
}

TEST_CASE("bulk lane: a buffer that takes no more ends nothing for the others") {
  Rig rig;
  rig.writes.buffers[1];
  rig.writes.buffers[2];
  rig.writes.bytes_max = 40'000;
  rig.put(write_packet(1, pattern(100'000)));
  rig.put(write_packet(2, pattern(7)));
  rig.drain();
  const Bytes kept = pattern(100'000);
  CHECK(rig.writes.buffers[1] == Bytes(kept.begin(), kept.begin() + 40'000));
  CHECK(rig.writes.buffers[2] == pattern(7));
}

TEST_CASE("bulk lane: a large request gets memory of its own, a batch with requests is walked") {
  Rig rig;
  rig.put(packet(call_message(1, 9, 1 << 20)));
  rig.put(packet(test::batch_of({call_message(2, 9), call_message(3, 9)})));
  rig.drain();
  CHECK(rig.program.dispatcher.counts().requests == 3);
  // Context 9 does not exist: each is answered.
  const Bytes answers = rig.program.answers();
  CHECK(answers.size() == 3 * (4 + 9 + 13));
}

TEST_CASE("bulk lane: a write comes before the request behind it, whatever their sizes") {
  Rig rig;
  rig.writes.buffers[1];
  std::vector<std::size_t> written;
  rig.program.resources.on_message = [&rig, &written] {
    written.push_back(rig.writes.buffers[1].size());
  };
  // Closing is a message like any other: it sees what was written before it.
  for (const std::size_t size : {std::size_t{10}, std::size_t{500'000}}) {
    rig.put(write_packet(1, pattern(size)));
    rig.put(packet(resource_message(wire::Op::buffer_close, 1, Bytes(8))));
  }
  rig.drain();
  CHECK(written == std::vector<std::size_t>{10, 500'010});
}

TEST_CASE("bulk lane: a packet of no bytes, and one over the limit, are errors that say so") {
  for (const std::size_t length : {std::size_t{0}, kPacketBytesMax + 1}) {
    Rig rig;
    Bytes head;
    put_u32(head, static_cast<std::uint32_t>(length));
    rig.put(head);
    auto status = rig.lane->step();
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().detail.find(std::to_string(length)) != std::string::npos);
  }
}

TEST_CASE("bulk lane: a message that nobody knows is an error") {
  Rig rig;
  rig.put(packet(Bytes{0x55, 0, 0, 0, 0, 0, 0, 0, 1}));
  CHECK_FALSE(rig.lane->step().ok());
}

TEST_CASE("bulk lane: end of file between packets and within one ends the lane") {
  Rig between;
  between.beam = UniqueFd();
  auto status = between.lane->step();
  REQUIRE(status.ok());
  CHECK(status.value() == BulkLane::Status::end_of_file);

  Rig torn;
  torn.writes.buffers[1];
  const Bytes whole = write_packet(1, pattern(100'000));
  torn.put(ByteView(whole).first(50'000));
  torn.drain();
  torn.beam = UniqueFd();
  status = torn.lane->step();
  REQUIRE(status.ok());
  CHECK(status.value() == BulkLane::Status::end_of_file);
  CHECK(torn.writes.buffers[1].size() == 50'000 - 13);
}

// Context 0 over a link where nothing ever comes: it leads, and sleeps in the poll.
struct Program {
  test::Pipe link_in;
  test::MessagesRig parts;
  WakeFd wake;
  PacketReader reader{link_in.read_end.get(), kPacketBytesMax};
  Session session;
  test::NoInterrupter interrupter;
  Inbox* inbox = nullptr;
  std::atomic<int> served{0};
  std::thread context;

  explicit Program(microseconds spin) : session(reader, parts.writer, parts.messages, wake, spin) {
    parts.dispatcher.connect(session, interrupter);
    inbox = parts.dispatcher.open(0, std::nullopt);
    context = std::thread([this] {
      while (parts.dispatcher.next(*inbox)) {
        while (parts.dispatcher.take(*inbox)) {
          static_cast<void>(parts.dispatcher.finish(*inbox));
          served.fetch_add(1);
          served.notify_all();
        }
        parts.dispatcher.wake_others();
      }
    });
  }
  ~Program() {
    parts.dispatcher.close(0);
    session.wake();
    context.join();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void await(int count) const {
    for (int now = served.load(); now < count; now = served.load())
      served.wait(now);
  }
};

TEST_CASE("bulk lane: a request reaches the context that reads the link, asleep or spinning") {
  for (const microseconds spin : {microseconds(0), microseconds(1'000'000)}) {
    Program program(spin);
    for (int i = 1; i <= 200; ++i) {
      std::vector<Request> requests(1);
      requests[0].head.op = wire::Op::call;
      requests[0].head.id = static_cast<std::uint64_t>(i);
      program.parts.dispatcher.submit(requests, Dispatcher::Submitter::other);
      program.await(i);
    }
    CHECK(program.served.load() == 200);
  }
}

TEST_CASE("bulk writer: answers of several threads arrive whole") {
  int fds[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  const UniqueFd beam(fds[0]);
  const UniqueFd program(fds[1]);
  Traffic traffic;
  BulkWriter writer(program.get(), traffic);
  constexpr std::size_t kEach = 5;
  constexpr std::size_t kBytes = 700'000;  // more than the socket takes at once
  std::thread threads[2];
  for (std::uint8_t t = 0; t < 2; ++t) {
    threads[t] = std::thread([&writer, t] {
      for (std::size_t i = 0; i < kEach; ++i)
        writer.write(Bytes(kBytes, t));
    });
  }
  Bytes answer(wire::kLengthBytes + kBytes);
  for (std::size_t i = 0; i < 2 * kEach; ++i) {
    REQUIRE(::recv(beam.get(), answer.data(), answer.size(), MSG_WAITALL) ==
            static_cast<ssize_t>(answer.size()));
    CHECK(load_u32(answer.data()) == kBytes);
    CHECK(std::count(answer.begin() + 4, answer.end(), answer[4]) == kBytes);
  }
  for (std::thread& thread : threads)
    thread.join();
  CHECK(traffic.bulk_out().messages == 2 * kEach);
  CHECK(traffic.bulk_out().bytes == 2 * kEach * answer.size());
}

}  // namespace
