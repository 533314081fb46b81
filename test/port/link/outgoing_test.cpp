#include "link/outgoing.hpp"

#include <thread>

#include <doctest/doctest.h>

#include "pipe.hpp"

namespace {

using namespace pyport;        // NOLINT(google-build-using-namespace) -- a test of one layer
using namespace pyport::link;  // NOLINT(google-build-using-namespace) -- a test of one layer

// Everything follows closely, and nothing is late.
constexpr Outgoing::Pace kAlwaysClose{microseconds(3'600'000'000), microseconds(3'600'000'000)};

struct Rig {
  explicit Rig(Outgoing::Pace pace) : outgoing(writer, reader, pace) {}
  [[nodiscard]] bool is_written() const { return writer.queued_bytes() == 0; }

  test::Pipe pipe;
  AnswerWriter writer{pipe.write_end.get(), 1 << 20};
  WakeFd reader;
  Outgoing outgoing;
};

TEST_CASE("outgoing: a message that comes alone is written at once") {
  Rig rig({microseconds(0), microseconds(3'600'000'000)});
  for (int i = 0; i < 3; ++i) {
    rig.outgoing.send(as_bytes("alone"));
    CHECK(rig.is_written());
  }
}

TEST_CASE("outgoing: messages that follow closely wait for company, but not beyond 64 KiB") {
  Rig rig(kAlwaysClose);
  rig.outgoing.send(as_bytes("first"));
  rig.outgoing.send(as_bytes("second"));
  CHECK_FALSE(rig.is_written());
  rig.outgoing.send(Bytes(64 << 10, 7));
  CHECK(rig.is_written());
}

TEST_CASE("outgoing: what was queued while the late writer still watched is not left behind") {
  Rig rig(kAlwaysClose);
  rig.outgoing.send(as_bytes("first"));
  rig.outgoing.send(as_bytes("says that somebody is to watch"));
  rig.outgoing.send(as_bytes("sees that somebody watches"));
  CHECK_FALSE(rig.is_written());
  rig.outgoing.stop_watching();
  CHECK(rig.is_written());
}

}  // namespace
