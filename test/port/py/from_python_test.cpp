#include "py/from_python.hpp"

#include <doctest/doctest.h>

#include "../etf/hex.hpp"
#include "core/limits.hpp"
#include "python_scope.hpp"

namespace {

using pyport::Bytes;
using pyport::py::EncodeOptions;
using pyport::py::from_python;
using pyport::py::gil;
using pyport::py::PyRef;
using pyport::test::eval;
using pyport::test::hex;
using pyport::test::pending;
using pyport::test::PythonScope;
using pyport::test::run;

// Whether `object` is written as these bytes.
bool writes(const PyRef& object, std::string_view expected, const EncodeOptions& options = {})
    PYPORT_REQUIRES(gil) {
  Bytes out = hex("AA");
  if (!object || !from_python(object.get(), out, options)) {
    MESSAGE(pending());
    return false;
  }
  Bytes wanted = hex("AA");
  pyport::put_bytes(wanted, hex(expected));
  return out == wanted;
}

// The exception that writing it raises; the output must be as it was.
std::string refused(const PyRef& object, const EncodeOptions& options = {}) PYPORT_REQUIRES(gil) {
  Bytes out = hex("AA");
  if (!object) return "no object; " + pending();
  CHECK_FALSE(from_python(object.get(), out, options));
  const Bytes before = hex("AA");
  CHECK(out == before);
  return pending();
}

TEST_CASE("from_python: the constants") {
  const PythonScope python;
  CHECK(writes(eval("None"), "77 04 'none'"));
  CHECK(writes(eval("True"), "77 04 'true'"));
  CHECK(writes(eval("False"), "77 05 'false'"));
}

TEST_CASE("from_python: integers take the shortest exact form") {
  const PythonScope python;
  CHECK(writes(eval("0"), "61 00"));
  CHECK(writes(eval("255"), "61 FF"));
  CHECK(writes(eval("-1"), "62 FF FF FF FF"));
  CHECK(writes(eval("2**31"), "6E 04 00 00 00 00 80"));
  CHECK(writes(eval("-2**63"), "6E 08 01 00 00 00 00 00 00 00 80"));
  CHECK(writes(eval("2**64"), "6E 09 00 00 00 00 00 00 00 00 00 01"));
  CHECK(writes(eval("-2**64"), "6E 09 01 00 00 00 00 00 00 00 00 01"));
  CHECK(writes(eval("enum.IntEnum('E', 'a b').b"), "61 02"));
}

TEST_CASE("from_python: an integer of more than 255 bytes has the large form") {
  const PythonScope python;
  Bytes out;
  REQUIRE(from_python(eval("1 << 2040").get(), out));
  CHECK(out.size() == 6 + 256);
  CHECK(out[0] == 0x6f);
  CHECK(out.back() == 1);
}

TEST_CASE("from_python: an integer that no BEAM reads is a ValueError") {
  const PythonScope python;
  CHECK(refused(eval("1 << (8 << 22)")) ==
        "ValueError: integer too large for Erlang: 4194305 bytes, limit 4194296");
}

TEST_CASE("from_python: floats, and atoms for those that Erlang lacks") {
  const PythonScope python;
  CHECK(writes(eval("1.5"), "46 3F F8 00 00 00 00 00 00"));
  CHECK(writes(eval("float('nan')"), "77 03 'nan'"));
  CHECK(writes(eval("float('inf')"), "77 08 'infinity'"));
  CHECK(writes(eval("-float('inf')"), "77 0C 'neg_infinity'"));
}

TEST_CASE("from_python: text and every kind of bytes are binaries") {
  const PythonScope python;
  CHECK(writes(eval("'é'"), "6D 00 00 00 02 C3 A9"));
  for (const char* bytes : {"'ab'",
                            "b'ab'",
                            "bytearray(b'ab')",
                            "memoryview(b'ab')",
                            "memoryview(b'a_b_')[::2]",
                            "array.array('B', b'ab')"}) {
    CAPTURE(bytes);
    CHECK(writes(eval(bytes), "6D 00 00 00 02 'ab'"));
  }
}

TEST_CASE("from_python: a lone surrogate is a ValueError, wherever it stands") {
  const PythonScope python;
  const char* message = "ValueError: str has a lone surrogate: it has no UTF-8 form for Erlang";
  CHECK(refused(eval("'\\ud800'")) == message);
  CHECK(refused(eval("[{'k': ('\\udfff',)}]")) == message);
}

TEST_CASE("from_python: containers and their subclasses") {
  const PythonScope python;
  CHECK(writes(eval("[]"), "6A"));
  CHECK(writes(eval("[1, []]"), "6C 00 00 00 02 61 01 6A 6A"));
  CHECK(writes(eval("()"), "68 00"));
  CHECK(writes(eval("collections.namedtuple('P', 'x y')(1, 2)"), "68 02 61 01 61 02"));
  CHECK(writes(eval("collections.OrderedDict(a=1)"), "74 00 00 00 01 6D 00 00 00 01 'a' 61 01"));
  CHECK(writes(eval("{(1,): None}"), "74 00 00 00 01 68 01 61 01 77 04 'none'"));
}

TEST_CASE("from_python: whatever else is its str") {
  const PythonScope python;
  CHECK(writes(eval("{1}"), "6D 00 00 00 03 '{1}'"));
  CHECK(writes(eval("decimal.Decimal('1.1')"), "6D 00 00 00 03 '1.1'"));
  CHECK(writes(eval("range(2)"), "6D 00 00 00 0B 'range(0, 2)'"));
  CHECK(writes(eval("1+2j"), "6D 00 00 00 06 '(1+2j)'"));
}

TEST_CASE("from_python: an exception in __str__ is that exception") {
  const PythonScope python;
  CHECK(refused(run("class A:\n def __str__(self): raise KeyError('x')\nresult = [A()]")) ==
        "KeyError: 'x'");
}

TEST_CASE("from_python: keys that collide in Erlang are a ValueError") {
  const PythonScope python;
  const char* message = "ValueError: keys of a dict collide in Erlang (as 'a' and b'a' do)";
  CHECK(refused(eval("{'a': 1, b'a': 2}")) == message);
  CHECK(refused(eval("{None: 1, _erlang.atom('none'): 2}")) == message);
  CHECK(refused(eval("{float('nan'): 1, float('nan'): 2}")) == message);
  Bytes out;
  CHECK(from_python(eval("{'a': 1, b'b': 2, 3: 4, None: 5}").get(), out));
}

TEST_CASE("from_python: 200 levels pass, one more and a list within itself are too deep") {
  const PythonScope python;
  const char* message = "RecursionError: Python object nesting too deep for Erlang";
  Bytes out;
  CHECK(from_python(run("result = 1\nfor _ in range(200): result = [result]").get(), out));
  CHECK(refused(run("result = 1\nfor _ in range(201): result = [result]")) == message);
  const PyRef circle = run("result = []\nresult.append(result)");
  CHECK(refused(circle) == message);
  PyObject_CallMethod(circle.get(), "clear", nullptr);
}

TEST_CASE("from_python: a container that changes meanwhile is a RuntimeError, and safe") {
  const PythonScope python;
  CHECK(refused(run("result = []\n"
                    "class A:\n def __str__(self): result.clear(); return 'x'\n"
                    "result += [A(), A(), A()]")) ==
        "RuntimeError: list changed size during conversion");
  CHECK(refused(run("result = {}\n"
                    "class A:\n def __str__(self): result.clear(); return 'x'\n"
                    "result.update({A(): 1, A(): 2})")) ==
        "RuntimeError: dictionary changed size during conversion");
}

TEST_CASE("from_python: a term over the limit names both numbers") {
  const PythonScope python;
  EncodeOptions options;
  options.term_bytes_max = 1000;
  Bytes out;
  CHECK(from_python(eval("'x' * 995").get(), out, options));
  CHECK(refused(eval("'x' * 996"), options) ==
        "ValueError: result too large for Erlang: at least 1001 bytes, limit 1000");
  CHECK(refused(eval("[['y' * 90] * 10, 'z' * 90]"), options)
            .starts_with("ValueError: result too large for Erlang: "));
  CHECK(refused(eval("list(range(2000))"), options).starts_with("ValueError: result too large"));
}

TEST_CASE("from_python: typed arrays and what looks like numpy are lists") {
  const PythonScope python;
  CHECK(writes(eval("array.array('h', [1, 2])"), "6C 00 00 00 02 61 01 61 02 6A"));
  CHECK(writes(eval("memoryview(array.array('h', [1]))"), "6C 00 00 00 01 61 01 6A"));
  CHECK(writes(eval("memoryview(b'abcd').cast('B', (2, 2))"),
               "6C 00 00 00 02 6C 00 00 00 02 61 61 61 62 6A 6C 00 00 00 02 61 63 61 64 6A 6A"));
  CHECK(writes(run("class N:\n ndim = 0\n def tolist(self): return 7\nresult = N()"), "61 07"));
}

TEST_CASE("from_python: option arrays => binary keeps them in one piece") {
  const PythonScope python;
  EncodeOptions options;
  options.arrays = pyport::py::Arrays::binary;
  CHECK(writes(eval("array.array('h', [1, 2])"),
               "68 04 77 07 'ndarray' 6D 00 00 00 03 '<i2' 6C 00 00 00 01 61 02 6A"
               " 6D 00 00 00 04 01 00 02 00",
               options));
  CHECK(writes(eval("b'ab'"), "6D 00 00 00 02 'ab'", options));
}

TEST_CASE("from_python: encode_term writes the version byte first") {
  const PythonScope python;
  Bytes out;
  REQUIRE(pyport::py::encode_term(Py_None, out));
  const Bytes expected = hex("83 77 04 'none'");
  CHECK(out == expected);
}

}  // namespace
