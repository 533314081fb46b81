#include "py/to_python.hpp"

#include <doctest/doctest.h>

#include "../etf/hex.hpp"
#include "../etf/samples.hpp"
#include "core/limits.hpp"
#include "python_scope.hpp"

namespace {

using pyport::Bytes;
using pyport::ByteView;
using pyport::py::decode_term;
using pyport::py::gil;
using pyport::py::PyRef;
using pyport::test::hex;
using pyport::test::kSamples;
using pyport::test::pending;
using pyport::test::PythonScope;
using pyport::test::repr;

// What a term (without its version byte) becomes, or the exception.
std::string shown(const Bytes& body) PYPORT_REQUIRES(gil) {
  Bytes term = hex("83");
  pyport::put_bytes(term, body);
  const PyRef object = decode_term(term);
  return object ? repr(object.get()) : pending();
}
std::string shown(std::string_view text) PYPORT_REQUIRES(gil) {
  return shown(hex(text));
}

TEST_CASE("to_python: true, false and the three names of nothing are the singletons") {
  const PythonScope python;
  CHECK(shown("77 04 'true'") == "True");
  CHECK(shown("64 00 05 'false'") == "False");
  for (const char* nothing : {"77 04 'none'", "73 03 'nil'", "76 00 09 'undefined'"})
    CHECK(shown(nothing) == "None");
  CHECK(shown("77 04 'null'") == "'null'");
  CHECK(shown("77 04 'None'") == "'None'");
  CHECK(shown("77 00") == "''");
}

TEST_CASE("to_python: an atom is a str in any alphabet") {
  const PythonScope python;
  CHECK(shown("64 00 01 E9") == "'é'");
  CHECK(shown("77 02 C3 A9") == "'é'");
  CHECK(shown("77 03 E6 97 A5") == "'日'");
  CHECK(
      shown("77 01 FF") ==
      "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte");
}

TEST_CASE("to_python: integers are exact at every width") {
  const PythonScope python;
  CHECK(shown("61 FF") == "255");
  CHECK(shown("62 80 00 00 00") == "-2147483648");
  CHECK(shown("6E 08 00 FF FF FF FF FF FF FF FF") == "18446744073709551615");
  CHECK(shown("6E 08 01 00 00 00 00 00 00 00 80") == "-9223372036854775808");
  CHECK(shown("6E 08 01 01 00 00 00 00 00 00 80") == "-9223372036854775809");
  CHECK(shown("6E 09 01 00 00 00 00 00 00 00 00 01") == "-18446744073709551616");
  CHECK(shown("6F 00 00 00 01 01 07") == "-7");
  CHECK(shown("6E 00 00") == "0");
}

TEST_CASE("to_python: floats, in both forms") {
  const PythonScope python;
  CHECK(shown("46 40 09 21 FB 54 44 2D 18") == "3.141592653589793");
  CHECK(shown("46 80 00 00 00 00 00 00 00") == "-0.0");
  CHECK(shown("63 '1.50000000000000000000e+00' 00 00 00 00 00") == "1.5");
  CHECK(shown("63 'abcdefghijklmnopqrstuvwxyz' 00 00 00 00 00").starts_with("ValueError: "));
  CHECK(shown("46 7F F8 00 00 00 00 00 00").starts_with("ValueError: malformed"));
}

TEST_CASE("to_python: a binary is str when it is UTF-8, else bytes") {
  const PythonScope python;
  CHECK(shown("6D 00 00 00 00") == "''");
  CHECK(shown("6D 00 00 00 03 'a' 00 'b'") == "'a\\x00b'");
  CHECK(shown("6D 00 00 00 02 C3 A9") == "'é'");
  CHECK(shown("6D 00 00 00 03 ED A0 80") == "b'\\xed\\xa0\\x80'");  // a surrogate
  CHECK(shown("6D 00 00 00 02 C0 80") == "b'\\xc0\\x80'");          // overlong
  CHECK(shown("6D 00 00 00 04 F4 90 80 80") == "b'\\xf4\\x90\\x80\\x80'");
  CHECK(shown("6D 00 00 00 02 'a' E2") == "b'a\\xe2'");
}

TEST_CASE("to_python: {bytes, Binary} is bytes, anything near it a tuple") {
  const PythonScope python;
  CHECK(shown("68 02 77 05 'bytes' 6D 00 00 00 03 'abc'") == "b'abc'");
  CHECK(shown("68 02 77 05 'bytes' 77 03 'foo'") == "('bytes', 'foo')");
  CHECK(shown("68 03 77 05 'bytes' 6D 00 00 00 00 61 01") == "('bytes', '', 1)");
}

TEST_CASE("to_python: lists, strings, tuples and maps nest") {
  const PythonScope python;
  CHECK(shown("6A") == "[]");
  CHECK(shown("6B 00 03 'abc'") == "[97, 98, 99]");
  CHECK(shown("68 00") == "()");
  CHECK(shown("69 00 00 00 01 6C 00 00 00 01 6A 6A") == "([[]],)");
  CHECK(shown("74 00 00 00 02 77 01 'a' 61 01 68 01 61 02 6A") == "{'a': 1, (2,): []}");
}

TEST_CASE("to_python: what has no form in Python is a TypeError that names it") {
  const PythonScope python;
  CHECK(shown("6C 00 00 00 01 61 01 61 02") ==
        "TypeError: cannot convert an Erlang improper list to Python");
  CHECK(shown("4D 00 00 00 01 03 E0") ==
        "TypeError: cannot convert an Erlang bitstring (not whole bytes) to Python");
  CHECK(shown("74 00 00 00 01 6A 61 01") == "TypeError: unhashable type: 'list'");
}

TEST_CASE("to_python: keys that collide in Python are an error, not a smaller dict") {
  const PythonScope python;
  const char* message = "ValueError: keys of an Erlang map collide in Python: 2 keys become 1";
  CHECK(shown("74 00 00 00 02 77 01 'a' 61 01 6D 00 00 00 01 'a' 61 02") == message);
  CHECK(shown("74 00 00 00 02 61 01 61 01 77 04 'true' 61 02") == message);
}

TEST_CASE("to_python: 200 levels arrive, one more is a RecursionError") {
  const PythonScope python;
  const auto nested = [](std::size_t depth) {
    Bytes bytes;
    for (std::size_t level = 0; level < depth; ++level)
      pyport::put_bytes(bytes, hex("68 01"));
    pyport::put_bytes(bytes, hex("61 01"));
    return bytes;
  };
  CHECK(shown(nested(pyport::limits::kTermDepthMax)).starts_with("((("));
  CHECK(shown(nested(pyport::limits::kTermDepthMax + 1)) ==
        "RecursionError: Erlang term nesting too deep");
}

TEST_CASE("to_python: every tag cut short at every byte is an error") {
  const PythonScope python;
  for (const auto& sample : kSamples) {
    const Bytes bytes = hex(sample.hex);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CAPTURE(sample.name);
      CAPTURE(size);
      const std::string result =
          shown(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
      const bool is_refused = result.starts_with("ValueError: malformed Erlang term") ||
                              result.starts_with("TypeError: cannot convert an Erlang ");
      CHECK_MESSAGE(is_refused, result);
    }
  }
}

TEST_CASE("to_python: bytes behind the term are refused") {
  const PythonScope python;
  CHECK(shown("61 01 61") == "ValueError: malformed Erlang term at byte 3");
}

TEST_CASE("to_python: a list longer than what is preallocated arrives whole") {
  const PythonScope python;
  constexpr std::uint32_t kCount = 70'000;
  Bytes list = hex("83 6C");
  pyport::put_u32(list, kCount);
  Bytes tuple = hex("83 69");
  pyport::put_u32(tuple, kCount);
  for (std::uint32_t index = 0; index < kCount; ++index) {
    pyport::put_bytes(list, hex("61 01"));
    pyport::put_bytes(tuple, hex("61 01"));
  }
  list.push_back(0x6a);
  const PyRef as_list = decode_term(list);
  const PyRef as_tuple = decode_term(tuple);
  CHECK(PyList_Size(as_list.get()) == kCount);
  CHECK(PyTuple_Size(as_tuple.get()) == kCount);
}

TEST_CASE("to_python: {ndarray, Dtype, Shape, Binary} is an array, with its sizes checked") {
  const PythonScope python;
  const PyRef array =
      decode_term(hex("83 68 04 77 07 'ndarray' 6D 00 00 00 03 '<i2' 6B 00 02 02 01"
                      " 6D 00 00 00 04 01 00 02 00"));
  REQUIRE(static_cast<bool>(array));
  const PyRef list = PyRef::steal(PyObject_CallMethod(array.get(), "tolist", nullptr));
  CHECK(repr(list.get()) == "[[1], [2]]");
  CHECK(
      shown("68 04 77 07 'ndarray' 6D 00 00 00 03 '<i2' 6B 00 01 03 6D 00 00 00 04 01 00 02 00") ==
      "ValueError: ndarray shape and dtype do not match its number of bytes");
  CHECK(shown("68 04 77 07 'ndarray' 6D 00 00 00 03 '|O8' 6A 6D 00 00 00 00") ==
        "ValueError: ndarray dtype must be numbers in numpy's form, as <f8");
  CHECK(shown("68 04 77 07 'ndarray' 61 01 61 02 61 03") == "('ndarray', 1, 2, 3)");
}

}  // namespace
