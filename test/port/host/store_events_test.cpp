#include "host/store_events.hpp"

#include <doctest/doctest.h>

#include "../link/pipe.hpp"
#include "wire/message.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test of where layers meet

TEST_CASE("store events: each becomes its message, written at once") {
  const test::Pipe pipe;
  link::AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  const WakeFd wake;
  host::StoreEvents events(writer, wake);
  events.credit(1, 5000);
  CHECK(pipe.take() == test::packet(wire::make_credit(1, 5000)));
  events.refused(2, store::BufferState::no_space);
  CHECK(pipe.take() == test::packet(wire::make_refused(2, 4)));
  events.forgotten(3);
  CHECK(pipe.take() == test::packet(wire::make_forgotten(3)));
}

TEST_CASE("store events: with a full pipe they wait for who reads the link, which is woken") {
  const test::Pipe pipe;
  link::AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  const WakeFd wake;
  writer.append(Bytes(300'000, 7));
  REQUIRE_FALSE(writer.try_flush());
  host::StoreEvents events(writer, wake);
  events.credit(1, 5000);
  std::uint64_t woken = 0;
  CHECK(::read(wake.fd(), &woken, sizeof woken) == sizeof woken);
  Bytes all;
  for (bool done = false; !done;) {
    done = writer.try_flush();
    put_bytes(all, pipe.take());
  }
  const Bytes credit = test::packet(wire::make_credit(1, 5000));
  CHECK(Bytes(all.end() - static_cast<long>(credit.size()), all.end()) == credit);
}

}  // namespace
