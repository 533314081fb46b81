#include "link/packet_reader.hpp"

#include <sys/resource.h>
#include <thread>

#include <doctest/doctest.h>

#include "pipe.hpp"

namespace {

using pyport::Bytes;
using pyport::ByteView;
using pyport::Errc;
using pyport::UniqueFd;
using pyport::link::PacketReader;
using pyport::test::packet;
using pyport::test::Pipe;

using Status = PacketReader::Status;

TEST_CASE("packet reader: a packet that arrives byte by byte is whole at its last byte") {
  const Pipe pipe;
  PacketReader reader(pipe.read_end.get(), 100);
  const Bytes bytes = packet(Bytes{1, 2, 3});
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK_FALSE(reader.next().value());
    pipe.put(ByteView(bytes).subspan(i, 1));
    CHECK(reader.read().value() == Status::some);
  }
  auto got = reader.next();
  REQUIRE(got.value());
  CHECK(Bytes(got.value()->begin(), got.value()->end()) == Bytes{1, 2, 3});
}

TEST_CASE("packet reader: nothing to read is no error, end of file is told apart") {
  Pipe pipe;
  PacketReader reader(pipe.read_end.get(), 100);
  CHECK(reader.read().value() == Status::none);
  pipe.write_end = UniqueFd();
  CHECK(reader.read().value() == Status::end_of_file);
}

TEST_CASE("packet reader: a length over the limit names both numbers") {
  const Pipe pipe;
  PacketReader reader(pipe.read_end.get(), 100);
  pipe.put(packet(Bytes(101)));
  static_cast<void>(reader.read());
  const auto got = reader.next();
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == Errc::too_large);
  CHECK(got.error().detail == "a packet of 101 bytes, limit 100");
}

TEST_CASE("packet reader: an empty packet is an error") {
  const Pipe pipe;
  PacketReader reader(pipe.read_end.get(), 100);
  pipe.put(Bytes(4, 0));
  static_cast<void>(reader.read());
  CHECK_FALSE(reader.next().ok());
}

TEST_CASE("packet reader: a packet larger than the buffer gets memory of its own") {
  const Pipe pipe;
  constexpr std::size_t kSize = 3 << 20;
  PacketReader reader(pipe.read_end.get(), kSize);
  Bytes content(kSize);
  for (std::size_t i = 0; i < kSize; ++i)
    content[i] = static_cast<std::uint8_t>(i * 7);
  const Bytes bytes = packet(content);
  std::size_t sent = 0;
  for (;;) {
    if (sent < bytes.size()) {
      const ssize_t count = ::write(pipe.write_end.get(), bytes.data() + sent, bytes.size() - sent);
      if (count > 0) sent += static_cast<std::size_t>(count);
    }
    REQUIRE(reader.read().ok());
    auto got = reader.next();
    REQUIRE(got.ok());
    if (!got.value()) continue;
    auto memory = reader.take_large();
    REQUIRE(memory);
    CHECK(Bytes(memory->view().begin(), memory->view().end()) == content);
    break;
  }
  // What follows it is read as usual.
  pipe.put(packet(Bytes{9}));
  static_cast<void>(reader.read());
  auto after = reader.next();
  REQUIRE(after.value());
  CHECK((*after.value())[0] == 9);
  CHECK_FALSE(reader.take_large());
}

#ifndef PYPORT_SANITIZED  // whose allocators end the process
// The process may have 2 GiB of address space while this lives.
class MemoryLimit {
 public:
  MemoryLimit() {
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{rlim_t{2} << 30, before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ~MemoryLimit() { ::setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_CASE("packet reader: a packet for which there is no memory is an error, not the end") {
  const Pipe pipe;
  PacketReader reader(pipe.read_end.get(), UINT32_MAX);
  pipe.put(Bytes{0xFF, 0xFF, 0xFF, 0xFE, 1});
  static_cast<void>(reader.read());
  const MemoryLimit limit;
  const auto got = reader.next();
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == Errc::os);
  CHECK(got.error().detail == "no memory for 4294967294 bytes");
}
#endif

}  // namespace
