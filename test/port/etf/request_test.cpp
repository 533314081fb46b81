#include "etf/request.hpp"

#include <doctest/doctest.h>

#include "hex.hpp"

namespace {

using pyport::as_chars;
using pyport::Bytes;
using pyport::etf::split_call;
using pyport::etf::split_eval;
using pyport::etf::split_exec;
using pyport::test::hex;

TEST_CASE("request: a call is taken apart without copying, its two names are one key") {
  const Bytes term = hex("83 68 04 77 04 'math' 6D 00 00 00 04 'sqrt' 6B 00 01 10 74 00 00 00 00");
  const auto split = split_call(term).value();
  CHECK(split.module.size() == 6);
  CHECK(split.function.size() == 9);
  CHECK(split.name_key.size() == 15);
  CHECK(split.name_key.data() == term.data() + 3);
  CHECK(split.arguments.size() == 9);
}

TEST_CASE("request: a call of another shape names the accepted form") {
  for (const char* bad : {"", "83", "68 04", "83 68 03 61 01", "83 6A", "83 77 01 'a'"})
    CHECK(split_call(hex(bad)).error().detail == "expected {Module, Function, Args, Kwargs}");
  CHECK(split_call(hex("83 68 04 61 01 77 01 'f' 6A 74 00 00 00 00")).error().detail ==
        "module must be an atom or a UTF-8 binary; expected {Module, Function, Args, Kwargs}");
  CHECK(split_call(hex("83 68 04 77 01 'm' 6A 6A 74 00 00 00 00")).error().detail ==
        "function must be an atom or a UTF-8 binary; expected {Module, Function, Args, Kwargs}");
}

TEST_CASE("request: an eval is its code and the rest") {
  const Bytes term = hex("83 68 02 6D 00 00 00 03 '1+1' 74 00 00 00 00");
  const auto split = split_eval(term).value();
  CHECK(as_chars(split.code) == "1+1");
  CHECK(split.locals.size() == 5);
  CHECK(split_eval(hex("83 68 02 77 01 'a' 6A")).error().detail ==
        "Code must be a binary; expected {Code, Locals}");
}

TEST_CASE("request: an exec is one binary and nothing behind it") {
  const Bytes term = hex("83 6D 00 00 00 04 'pass'");
  CHECK(as_chars(split_exec(term).value()) == "pass");
  CHECK_FALSE(split_exec(hex("83 6D 00 00 00 04 'pass' 6A")).ok());
  CHECK_FALSE(split_exec(hex("83 6D 00 00 00 05 'pass'")).ok());
}

}  // namespace
