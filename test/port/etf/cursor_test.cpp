#include "etf/cursor.hpp"

#include <memory>

#include <doctest/doctest.h>

#include "core/limits.hpp"
#include "hex.hpp"
#include "samples.hpp"

namespace {

using pyport::Bytes;
using pyport::ByteView;
using pyport::Errc;
using pyport::etf::Cursor;
using pyport::test::hex;
using pyport::test::kSamples;

// On the heap with nothing behind it, so that a sanitizer sees one byte too many.
pyport::Result<std::size_t> skip(ByteView bytes) {
  const auto exact = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  Cursor in(ByteView(exact.get(), bytes.size()));
  PYPORT_TRY(const ByteView term, in.skip_term());
  return term.size();
}

Bytes nested_lists(std::size_t depth) {
  Bytes bytes;
  for (std::size_t level = 1; level < depth; ++level)
    pyport::put_bytes(bytes, hex("6C 00 00 00 01"));
  pyport::put_bytes(bytes, hex("6C 00 00 00 01 61 00"));
  bytes.insert(bytes.end(), depth, 0x6a);
  return bytes;
}

TEST_CASE("cursor: every tag is skipped to its last byte and not further") {
  for (const auto& sample : kSamples) {
    CAPTURE(sample.name);
    Bytes bytes = hex(sample.hex);
    const std::size_t size = bytes.size();
    CHECK(skip(bytes).value() == size);
    bytes.push_back(0);
    CHECK(skip(bytes).value() == size);
  }
}

TEST_CASE("cursor: every tag cut short at every byte is refused") {
  for (const auto& sample : kSamples) {
    const Bytes bytes = hex(sample.hex);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CAPTURE(sample.name);
      CAPTURE(size);
      CHECK_FALSE(skip(ByteView(bytes).first(size)).ok());
    }
  }
}

TEST_CASE("cursor: a compressed term is refused with the way out") {
  const auto result = skip(hex("50 00 00 00 10 78 9C"));
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Errc::bad_tag);
  CHECK(result.error().detail == "compressed term at byte 0: send it uncompressed");
}

TEST_CASE("cursor: an unknown tag is named with its position") {
  const auto result = skip(hex("68 02 61 01 FA"));
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().detail == "unknown tag 250 at byte 4");
}

TEST_CASE("cursor: a count of more elements than bytes is refused before it is believed") {
  CHECK(skip(hex("6C FF FF FF FF 61 01")).error().code == Errc::truncated);
  CHECK(skip(hex("69 FF FF FF FF 61 01")).error().code == Errc::truncated);
  CHECK(skip(hex("74 FF FF FF FF 61 01")).error().code == Errc::truncated);
  CHECK(skip(hex("6D FF FF FF FF 61 01")).error().code == Errc::truncated);
}

TEST_CASE("cursor: 200 levels pass, one more is too deep") {
  CHECK(skip(nested_lists(pyport::limits::kTermDepthMax)).ok());
  const auto result = skip(nested_lists(pyport::limits::kTermDepthMax + 1));
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Errc::too_deep);
}

TEST_CASE("cursor: a fun that lies about its size is refused") {
  Bytes bytes = hex(kSamples.back().hex);
  ++bytes[4];
  CHECK(skip(bytes).error().code == Errc::bad_term);
}

TEST_CASE("cursor: signs, bit counts and reference lengths outside their range are refused") {
  CHECK(skip(hex("6E 01 02 05")).error().code == Errc::bad_term);
  CHECK(skip(hex("4D 00 00 00 01 09 FF")).error().code == Errc::bad_term);
  CHECK(skip(hex("4D 00 00 00 01 00 FF")).error().code == Errc::bad_term);
  CHECK(skip(hex("5A 00 00 77 01 'n' 00 00 00 03")).error().code == Errc::bad_term);
  CHECK(skip(hex("71 77 01 'm' 77 01 'f' 62 02")).error().code == Errc::bad_term);
}

TEST_CASE("cursor: floats that Erlang has not, and text that is no number, are refused") {
  CHECK(skip(hex("46 7F F0 00 00 00 00 00 00")).error().code == Errc::bad_term);
  CHECK(skip(hex("46 7F F8 00 00 00 00 00 00")).error().code == Errc::bad_term);
  for (const char* text : {"'nan' 00", "'1.5x' 00", "' 1.5' 00", "00", "'1e999' 00"}) {
    Bytes bytes = hex("63");
    pyport::put_bytes(bytes, hex(text));
    bytes.resize(32);
    CHECK(skip(bytes).error().code == Errc::bad_term);
  }
}

TEST_CASE("cursor: a take that fails leaves the position unchanged") {
  const Bytes bytes = hex("6D 00 00 00 05 'abc'");
  Cursor in{ByteView(bytes)};
  ByteView binary;
  std::uint32_t count = 0;
  pyport::etf::Atom atom;
  CHECK_FALSE(in.take_binary(binary));
  CHECK_FALSE(in.take_tuple(count));
  CHECK_FALSE(in.take_map(count));
  CHECK_FALSE(in.take_atom(atom));
  CHECK_FALSE(in.take_version());
  CHECK(in.offset() == 0);
}

TEST_CASE("cursor: an atom longer than any of Erlang's is refused") {
  Bytes bytes = hex("76 03 FD");
  bytes.insert(bytes.end(), 1021, 'a');
  CHECK_FALSE(skip(bytes).ok());
}

}  // namespace
