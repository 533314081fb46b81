#include "etf/control.hpp"

#include <doctest/doctest.h>

#include "hex.hpp"

namespace {

using pyport::Bytes;
using pyport::ByteView;
using pyport::etf::ControlWriter;
using pyport::etf::read_context;
using pyport::etf::read_context_open;
using pyport::etf::read_hello;
using pyport::test::hex;

TEST_CASE("control: hello gives the protocol and ignores keys it does not know") {
  CHECK(read_hello(hex("83 74 00 00 00 01 77 08 'protocol' 61 01")).value() == 1);
  CHECK(read_hello(hex("83 74 00 00 00 02 77 01 'x' 6A 77 08 'protocol' 62 00 00 01 00")).value() ==
        256);
}

TEST_CASE("control: hello without a protocol, or with a strange one, is refused") {
  CHECK(read_hello(hex("83 74 00 00 00 00")).error().detail ==
        "HELLO must be #{protocol := Version}");
  CHECK_FALSE(read_hello(hex("83 6A")).ok());
  CHECK_FALSE(read_hello(hex("83 74 00 00 00 01 77 08 'protocol' 62 FF FF FF FF")).ok());
}

TEST_CASE("control: no term that is cut short reaches libei") {
  const Bytes hello = hex("83 74 00 00 00 01 77 08 'protocol' 61 01");
  const Bytes open = hex("83 68 02 61 07 74 00 00 00 01 77 0A 'kill_after' 62 00 00 03 E8");
  for (std::size_t size = 0; size < hello.size(); ++size)
    CHECK_FALSE(read_hello(ByteView(hello).first(size)).ok());
  for (std::size_t size = 0; size < open.size(); ++size)
    CHECK_FALSE(read_context_open(ByteView(open).first(size)).ok());
}

TEST_CASE("control: context_open tells a number of milliseconds from infinity from nothing") {
  auto timed =
      read_context_open(hex("83 68 02 61 07 74 00 00 00 01 77 0A 'kill_after' 62 00 00 03 E8"));
  CHECK(timed.value().context == 7);
  CHECK(timed.value().kill_after_ms == 1000);
  auto infinite =
      read_context_open(hex("83 68 02 61 07 74 00 00 00 01 77 0A 'kill_after' 77 08 'infinity'"));
  CHECK(infinite.value().kill_after_given);
  CHECK_FALSE(infinite.value().kill_after_ms.has_value());
  CHECK_FALSE(read_context_open(hex("83 68 02 61 07 74 00 00 00 00")).value().kill_after_given);
}

TEST_CASE("control: context_open names an option that it does not know") {
  const auto result = read_context_open(hex("83 68 02 61 07 74 00 00 00 01 77 03 'foo' 61 01"));
  CHECK(result.error().detail ==
        "unknown option foo; CONTEXT_OPEN must be {Context, #{kill_after => Ms | infinity}}");
}

TEST_CASE("control: a context is a number of 32 bits") {
  CHECK(read_context(hex("83 6E 04 00 FF FF FF FF")).value() == 0xffff'ffff);
  CHECK_FALSE(read_context(hex("83 6E 05 00 00 00 00 00 01")).ok());
  CHECK_FALSE(read_context(hex("83 62 FF FF FF FF")).ok());
  CHECK_FALSE(read_context(hex("83 61 01 61")).ok());
}

TEST_CASE("control: the writer chains into one term") {
  ControlWriter writer;
  writer.map(1).atom("version").tuple(2).integer(3).binary("x");
  const Bytes expected = hex("83 74 00 00 00 01 77 07 'version' 68 02 61 03 6D 00 00 00 01 'x'");
  CHECK(writer.bytes() == expected);
}

}  // namespace
