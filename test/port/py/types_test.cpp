// Pid, Ref, Fun, Port, Atom and the module `_erlang`, from both sides.
#include <doctest/doctest.h>

#include "../etf/hex.hpp"
#include "../etf/samples.hpp"
#include "py/conversion_state.hpp"
#include "python_scope.hpp"

namespace {

using pyport::Bytes;
using pyport::py::decode_term;
using pyport::py::PyRef;
using pyport::test::eval;
using pyport::test::hex;
using pyport::test::kSamples;
using pyport::test::pending;
using pyport::test::PythonScope;
using pyport::test::repr;
using pyport::test::run;

Bytes term_of(std::string_view sample) {
  for (const auto& known : kSamples) {
    if (sample != known.name) continue;
    Bytes term = hex("83");
    pyport::put_bytes(term, hex(known.hex));
    return term;
  }
  return {};
}

TEST_CASE("types: pids, references, funs and ports come back byte for byte") {
  const PythonScope python;
  for (const char* name : {"PID",
                           "NEW_PID",
                           "REFERENCE",
                           "NEW_REFERENCE",
                           "NEWER_REFERENCE",
                           "PORT",
                           "NEW_PORT",
                           "V4_PORT",
                           "NEW_FUN",
                           "EXPORT"}) {
    CAPTURE(name);
    const Bytes term = term_of(name);
    const PyRef object = decode_term(term);
    REQUIRE(static_cast<bool>(object));
    Bytes back;
    CHECK(pyport::py::encode_term(object.get(), back));
    CHECK(back == term);
  }
}

TEST_CASE("types: equal terms are equal, hash alike and look alike; different kinds are not") {
  const PythonScope python;
  const PyRef first = decode_term(term_of("NEW_PID"));
  const PyRef second = decode_term(term_of("NEW_PID"));
  const PyRef other = decode_term(term_of("NEW_PORT"));
  CHECK(first.get() != second.get());
  CHECK(PyObject_RichCompareBool(first.get(), second.get(), Py_EQ) == 1);
  CHECK(PyObject_RichCompareBool(first.get(), other.get(), Py_EQ) == 0);
  CHECK(PyObject_Hash(first.get()) == PyObject_Hash(second.get()));
  CHECK(repr(first.get()) == repr(second.get()));
  const std::string shown = repr(first.get());
  CHECK(shown.starts_with("<erlang.Pid 0x"));
  CHECK(shown.find_first_not_of("0123456789abcdef", 14) == shown.size() - 1);
  CHECK(repr(decode_term(term_of("NEWER_REFERENCE")).get()) == "<erlang.Ref size=18>");
  CHECK(PyObject_RichCompareBool(first.get(), second.get(), Py_LT) == -1);
  CHECK(pending() ==
        "TypeError: '<' not supported between instances of 'erlang.Pid' and 'erlang.Pid'");
}

TEST_CASE("types: none can be made, subclassed, changed or pickled in Python") {
  const PythonScope python;
  for (const char* name : {"Pid", "Ref", "Fun", "Port", "Atom"}) {
    CAPTURE(name);
    const std::string type = std::string("_erlang.") + name;
    CHECK_FALSE(static_cast<bool>(eval(type + "()")));
    CHECK(pending() == std::string("TypeError: cannot create 'erlang.") + name + "' instances");
    CHECK_FALSE(static_cast<bool>(eval("type('S', (" + type + ",), {})")));
    CHECK(pending().starts_with("TypeError: "));
    CHECK_FALSE(static_cast<bool>(run("import _erlang\n" + type + ".x = 1")));
    CHECK(pending().starts_with("TypeError: "));
  }
  CHECK_FALSE(static_cast<bool>(run("import _erlang, pickle\npickle.dumps(_erlang.atom('a'))")));
  CHECK(pending() == "TypeError: cannot pickle 'erlang.Atom' object");
}

TEST_CASE("types: a copy is the object itself") {
  const PythonScope python;
  CHECK(repr(run("import copy, _erlang\na = _erlang.atom('a')\n"
                 "result = copy.copy(a) is a and copy.deepcopy([a])[0] is a")
                 .get()) == "True");
}

TEST_CASE("atom: becomes an atom, is the same object each time, never equals a str") {
  const PythonScope python;
  Bytes out;
  CHECK(pyport::py::encode_term(eval("_erlang.atom('日')").get(), out));
  CHECK(out == hex("83 77 03 E6 97 A5"));
  CHECK(repr(eval("_erlang.atom('x') is _erlang.atom('x')").get()) == "True");
  CHECK(repr(eval("_erlang.atom('x') == 'x'").get()) == "False");
  CHECK(repr(eval("sorted([_erlang.atom('b'), _erlang.atom('a')])").get()) ==
        "[<erlang.Atom 'a'>, <erlang.Atom 'b'>]");
  CHECK(repr(eval("str(_erlang.atom('é'))").get()) == "'é'");
  CHECK(repr(eval("{_erlang.atom('k'): 1}[_erlang.atom('k')]").get()) == "1");
}

TEST_CASE("atom: 255 characters of any width pass, one more does not") {
  const PythonScope python;
  Bytes out;
  CHECK(pyport::py::encode_term(eval("_erlang.atom('\\U0001F600' * 255)").get(), out));
  CHECK(out.size() == 1 + 3 + 1020);
  CHECK_FALSE(static_cast<bool>(eval("_erlang.atom('a' * 256)")));
  CHECK(pending() == "ValueError: atom name of more than 255 characters");
  CHECK_FALSE(static_cast<bool>(eval("_erlang.atom(1)")));
  CHECK(pending() == "TypeError: atom() argument must be str");
  CHECK_FALSE(static_cast<bool>(eval("_erlang.atom('\\ud800')")));
  CHECK(pending().starts_with("UnicodeEncodeError: "));
}

TEST_CASE("atom: after 10000 distinct ones no other is made, the old ones stay") {
  const PythonScope python;
  CHECK_FALSE(static_cast<bool>(
      run("import _erlang\nfor n in range(10001): _erlang.atom('limit_%d' % n)")));
  CHECK(pending() == "RuntimeError: Atom limit reached");
  CHECK(repr(eval("_erlang.atom('limit_0')").get()) == "<erlang.Atom 'limit_0'>");
  PyDict_Clear(pyport::py::conversions.atoms);
}

TEST_CASE("name cache: names are shared, more than it holds push older ones out") {
  const PythonScope python;
  pyport::py::NameCache cache;
  const PyRef first = PyRef::steal(cache.get("name"));
  const PyRef second = PyRef::steal(cache.get("name"));
  CHECK(first.get() == second.get());
  for (int number = 0; number < 10'000; ++number) {
    const std::string name = "name_" + std::to_string(number);
    const PyRef made = PyRef::steal(cache.get(name));
    CHECK(name == PyUnicode_AsUTF8(made.get()));
  }
  cache.clear();
  CHECK(Py_REFCNT(first.get()) == 2);
  CHECK_FALSE(pyport::py::NameCache::cacheable(""));
  CHECK(pyport::py::NameCache::cacheable(std::string(64, 'a')));
  CHECK_FALSE(pyport::py::NameCache::cacheable(std::string(65, 'a')));
}

TEST_CASE("module: the errors stand in their places") {
  const PythonScope python;
  CHECK(repr(eval("_erlang.ProcessError.__mro__[1:3] == (_erlang.Error, Exception)").get()) ==
        "True");
  CHECK(repr(eval("_erlang.SuspensionRequired.__bases__").get()) == "(<class 'BaseException'>,)");
}

}  // namespace
