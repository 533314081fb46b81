#include "link/answer_writer.hpp"

#include <thread>

#include <doctest/doctest.h>

#include "link/packet_reader.hpp"
#include "pipe.hpp"
#include "wire/packet.hpp"

namespace {

using pyport::Bytes;
using pyport::link::AnswerWriter;
using pyport::test::Pipe;

TEST_CASE("answer writer: before the HELLO each message is a packet of its own") {
  const Pipe pipe;
  AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  writer.append(Bytes{1});
  writer.append(Bytes{2, 3});
  CHECK(writer.try_flush());
  CHECK(pipe.take() == Bytes{0, 0, 0, 1, 1, 0, 0, 0, 2, 2, 3});
  CHECK(writer.idle());
}

TEST_CASE("answer writer: after the HELLO what waits goes out as one batch") {
  const Pipe pipe;
  AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  writer.allow_batches();
  writer.append(Bytes{1});
  writer.append(Bytes{2});
  CHECK(writer.try_flush());
  CHECK(pipe.take() == Bytes{0, 0, 0, 11, 0x7f, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2});
}

TEST_CASE("answer writer: a single message is never wrapped") {
  const Pipe pipe;
  AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  writer.allow_batches();
  writer.append(Bytes{5});
  CHECK(writer.try_flush());
  CHECK(pipe.take() == Bytes{0, 0, 0, 1, 5});
}

TEST_CASE("answer writer: no batch is longer than a packet may be") {
  const Pipe pipe;
  AnswerWriter writer(pipe.write_end.get(), 14);
  writer.allow_batches();
  writer.append(Bytes{1, 1, 1});
  writer.append(Bytes{2, 2, 2});
  CHECK(writer.try_flush());
  CHECK(pipe.take() == Bytes{0, 0, 0, 3, 1, 1, 1, 0, 0, 0, 3, 2, 2, 2});
}

TEST_CASE("answer writer: a full pipe keeps the rest, and flush() waits for the reader") {
  const Pipe pipe;
  AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  Bytes big(300'000, 7);
  writer.append(big);
  CHECK_FALSE(writer.try_flush());
  CHECK_FALSE(writer.idle());
  std::thread flusher([&writer] { writer.flush(); });
  std::size_t got = 0;
  while (got < big.size() + 4)
    got += pipe.take().size();
  flusher.join();
  CHECK(writer.idle());
}

TEST_CASE("answer writer: a thread that does not read the link wakes who does for the rest") {
  const Pipe pipe;
  AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  const pyport::WakeFd reader;
  std::uint64_t woken = 0;
  writer.append(Bytes{1});
  writer.flush_or_wake(reader);
  CHECK(::read(reader.fd(), &woken, sizeof woken) < 0);
  writer.append(Bytes(300'000, 7));
  writer.flush_or_wake(reader);
  CHECK(::read(reader.fd(), &woken, sizeof woken) == sizeof woken);
}

TEST_CASE("answer writer: messages of many threads arrive whole") {
  const Pipe pipe;
  AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  writer.allow_batches();
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 2000;
  std::thread threads[kThreads];
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads[t] = std::thread([&writer, t] {
      for (std::size_t i = 0; i < kEach; ++i) {
        writer.append(Bytes(1 + i % 50, static_cast<std::uint8_t>(t + 1)));
        writer.flush();
      }
    });
  }
  pyport::link::PacketReader reader(pipe.read_end.get(), 1 << 20);
  std::size_t whole = 0;
  while (whole < kThreads * kEach) {
    static_cast<void>(reader.read());
    for (;;) {
      auto content = reader.next();
      REQUIRE(content.ok());
      if (!content.value()) break;
      pyport::wire::PacketWalk walk(*content.value());
      while (walk.more()) {
        const auto message = walk.next();
        REQUIRE(message.ok());
        auto copy = message;
        for (const std::uint8_t byte : copy.value())
          REQUIRE(byte == copy.value()[0]);
        ++whole;
      }
    }
  }
  for (auto& thread : threads)
    thread.join();
  CHECK(whole == kThreads * kEach);
}

}  // namespace
