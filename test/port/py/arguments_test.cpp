#include <doctest/doctest.h>

#include "../etf/hex.hpp"
#include "py/to_python.hpp"
#include "python_scope.hpp"

namespace {

using pyport::Bytes;
using pyport::py::ArgVector;
using pyport::py::decode_code;
using pyport::py::decode_locals;
using pyport::py::decode_name;
using pyport::py::gil;
using pyport::py::PyRef;
using pyport::test::eval;
using pyport::test::hex;
using pyport::test::pending;
using pyport::test::PythonScope;
using pyport::test::repr;

// What a function sees that is called with these Args and Kwargs.
std::string seen(std::string_view arguments) PYPORT_REQUIRES(gil) {
  const PyRef function = eval("lambda *a, **k: (a, k)");
  ArgVector vector;
  if (!vector.decode(hex(arguments))) return pending();
  const PyRef result = vector.call(function.get());
  return result ? repr(result.get()) : pending();
}

TEST_CASE("arguments: positional ones come from a list or a string") {
  const PythonScope python;
  CHECK(seen("6A 74 00 00 00 00") == "((), {})");
  CHECK(seen("6B 00 02 01 02 74 00 00 00 00") == "((1, 2), {})");
  CHECK(seen("6C 00 00 00 01 77 01 'x' 6A 74 00 00 00 00") == "(('x',), {})");
}

TEST_CASE("arguments: more than fit inline arrive in order, with keywords behind them") {
  const PythonScope python;
  CHECK(seen("6B 00 08 00 01 02 03 04 05 06 07 74 00 00 00 00") ==
        "((0, 1, 2, 3, 4, 5, 6, 7), {})");
  CHECK(seen("6B 00 0A 00 01 02 03 04 05 06 07 08 09"
             " 74 00 00 00 02 77 01 'a' 61 01 6D 00 00 00 01 'b' 61 02") ==
        "((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), {'a': 1, 'b': 2})");
}

TEST_CASE("arguments: a keyword named like an atom with a meaning is still a name") {
  const PythonScope python;
  CHECK(seen("6A 74 00 00 00 01 77 04 'none' 61 01") == "((), {'none': 1})");
}

TEST_CASE("arguments: other shapes are a TypeError that names the argument") {
  const PythonScope python;
  CHECK(seen("61 01 74 00 00 00 00") == "TypeError: arguments must be a proper list");
  CHECK(seen("6C 00 00 00 01 61 01 61 02 74 00 00 00 00") ==
        "TypeError: arguments must be a proper list");
  CHECK(seen("6A 6A") == "TypeError: keyword arguments must be a map");
  CHECK(seen("6A") == "TypeError: keyword arguments must be a map");
  CHECK(seen("6A 74 00 00 00 01 61 01 61 01") == "TypeError: keywords must be strings");
  CHECK(seen("6A 74 00 00 00 01 6D 00 00 00 01 FF 61 01") == "TypeError: keywords must be strings");
}

TEST_CASE("arguments: one keyword given twice, and bytes behind the map, are errors") {
  const PythonScope python;
  CHECK(seen("6A 74 00 00 00 02 77 01 'a' 61 01 6D 00 00 00 01 'a' 61 02") ==
        "ValueError: keys of an Erlang map collide in Python: 2 keys become 1");
  CHECK(seen("6A 74 00 00 00 00 6A").starts_with("ValueError: malformed Erlang term"));
}

TEST_CASE("arguments: an error half way releases what was decoded") {
  const PythonScope python;
  ArgVector vector;
  CHECK_FALSE(vector.decode(hex("6C 00 00 00 03 68 01 61 01 6D 00 00 00 01 'x' FA")));
  CHECK(pending().starts_with("ValueError: malformed Erlang term"));
}

TEST_CASE("name: atom or UTF-8 binary, without NUL") {
  const PythonScope python;
  CHECK(repr(decode_name(hex("77 04 'math'"), "module").get()) == "'math'");
  CHECK(repr(decode_name(hex("77 04 'true'"), "module").get()) == "'true'");
  CHECK(repr(decode_name(hex("6D 00 00 00 02 C3 A9"), "module").get()) == "'é'");
  CHECK_FALSE(decode_name(hex("6D 00 00 00 03 'a' 00 'b'"), "function"));
  CHECK(pending() == "ValueError: function has an embedded null character");
  CHECK_FALSE(decode_name(hex("77 03 'a' 00 'b'"), "module"));
  CHECK(pending() == "ValueError: module has an embedded null character");
  CHECK_FALSE(decode_name(hex("6D 00 00 00 01 FF"), "module"));
  CHECK(pending().starts_with("UnicodeDecodeError: "));
  CHECK_FALSE(decode_name(hex("61 01"), "module"));
  CHECK(pending() == "TypeError: module must be an atom or a UTF-8 binary");
}

TEST_CASE("code: UTF-8 without NUL") {
  const PythonScope python;
  CHECK(repr(decode_code(hex("'1+1'")).get()) == "'1+1'");
  CHECK_FALSE(decode_code(hex("'1' 00")));
  CHECK(pending() == "ValueError: source code cannot contain null bytes");
  CHECK_FALSE(decode_code(hex("'1' FF")));
  CHECK(pending().starts_with("UnicodeDecodeError: "));
}

TEST_CASE("locals: a map with names as keys") {
  const PythonScope python;
  CHECK(repr(decode_locals(hex("74 00 00 00 01 77 01 'x' 6A")).get()) == "{'x': []}");
  CHECK_FALSE(decode_locals(hex("6A")));
  CHECK(pending() == "TypeError: locals must be a map");
  CHECK_FALSE(decode_locals(hex("74 00 00 00 01 61 01 6A")));
  CHECK(pending() == "TypeError: names of locals must be strings");
}

}  // namespace
