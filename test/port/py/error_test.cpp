#include "py/error.hpp"

#include <doctest/doctest.h>

#include "core/limits.hpp"
#include "py/conversion_state.hpp"
#include "python_scope.hpp"

namespace {

using pyport::Bytes;
using pyport::py::ErrorForm;
using pyport::py::gil;
using pyport::py::PyRef;
using pyport::test::pending;
using pyport::test::PythonScope;
using pyport::test::run;

// The term of the exception that the code raises, as Python reads it back.
PyRef raised(const std::string& code, ErrorForm form = ErrorForm::simple) PYPORT_REQUIRES(gil) {
  const PyRef result = run(code);
  REQUIRE_FALSE(static_cast<bool>(result));
  Bytes out;
  pyport::py::encode_exception(out, form);
  CHECK(PyErr_Occurred() == nullptr);
  PyRef term = pyport::py::decode_term(out);
  REQUIRE(static_cast<bool>(term));
  return term;
}

std::string part(const PyRef& tuple, Py_ssize_t index) PYPORT_REQUIRES(gil) {
  return PyUnicode_AsUTF8(PyTuple_GetItem(tuple.get(), index));
}

PyObject* at(PyObject* map, const char* key) PYPORT_REQUIRES(gil) {
  PyObject* value = PyDict_GetItemString(map, key);
  REQUIRE(value != nullptr);
  return value;
}

TEST_CASE("error: type, message and traceback of a plain exception") {
  const PythonScope python;
  const PyRef error = raised("def f():\n  return 1/0\nf()");
  CHECK(part(error, 0) == "ZeroDivisionError");
  CHECK(part(error, 1) == "division by zero");
  CHECK(part(error, 2) ==
        "Traceback (most recent call last):\n"
        "  File \"<string>\", line 3, in <module>\n"
        "  File \"<string>\", line 2, in f\n"
        "ZeroDivisionError: division by zero");
}

TEST_CASE("error: a message is str(exception), which may be empty or cite the code") {
  const PythonScope python;
  CHECK(part(raised("raise AssertionError"), 1).empty());
  CHECK(part(raised("raise KeyError('k')"), 1) == "'k'");
  CHECK(part(raised("1 +"), 1) == "invalid syntax (<string>, line 1)");
  CHECK(part(raised("raise SystemExit(3)"), 1) == "3");
  CHECK(part(raised("type('My.Err', (Exception,), {})\n"
                    "raise type('My.Err', (Exception,), {})('m')"),
             0) == "My.Err");
}

TEST_CASE("error: a lone surrogate becomes a question mark") {
  const PythonScope python;
  CHECK(part(raised("raise ValueError('a\\ud800b')"), 1) == "a?b");
}

TEST_CASE("error: an exception whose __str__ raises says so") {
  const PythonScope python;
  const PyRef error = raised("class Bad(Exception):\n  def __str__(self): return 1/0\nraise Bad()");
  CHECK(part(error, 0) == "Bad");
  CHECK(part(error, 1) == "<str() of the exception failed>");
}

TEST_CASE("error: a huge message is cut at its limit, between characters") {
  const PythonScope python;
  const std::string message = part(raised("raise ValueError('é' * 10**6)"), 1);
  CHECK(message.size() <= pyport::limits::kErrorMessageBytesMax);
  CHECK(message.size() > pyport::limits::kErrorMessageBytesMax - 3);
  CHECK(message.ends_with("é... [cut]"));
}

TEST_CASE("error: of a deep traceback the outer and the inner frames remain") {
  const PythonScope python;
  const std::string text = part(raised("def f(n):\n  return f(n-1) if n else 1/0\nf(200)"), 2);
  CHECK(text.find("  [138 frames left out]\n") != std::string::npos);
  std::size_t count = 0;
  for (std::size_t from = text.find("  File"); from != std::string::npos;
       from = text.find("  File", from + 1))
    ++count;
  CHECK(count == pyport::limits::kTracebackFramesMax);
}

TEST_CASE("error: the detailed form adds notes and what it was raised from") {
  const PythonScope python;
  const PyRef error = raised(
      "try:\n  raise KeyError('inner')\nexcept KeyError as e:\n"
      "  o = ValueError('outer'); o.add_note('first'); o.add_note('second')\n  raise o from e",
      ErrorForm::detailed);
  CHECK(pyport::test::repr(at(error.get(), "type")) == "'ValueError'");
  CHECK(pyport::test::repr(at(error.get(), "message")) == "'outer'");
  CHECK(pyport::test::repr(at(error.get(), "notes")) == "['first', 'second']");
  PyObject* cause = at(error.get(), "cause");
  CHECK(pyport::test::repr(at(cause, "type")) == "'KeyError'");
  CHECK(at(cause, "cause") == Py_None);
  const std::string traceback = PyUnicode_AsUTF8(at(error.get(), "traceback"));
  CHECK(traceback.find("first\nsecond\n") != std::string::npos);
  CHECK(traceback.find("inner") == std::string::npos);
}

TEST_CASE("error: `from None` hides the context, strange notes are survived") {
  const PythonScope python;
  const PyRef error = raised(
      "try:\n  1/0\nexcept Exception:\n  o = ValueError('x'); o.__notes__ = [1, '\\ud800']\n"
      "  raise o from None",
      ErrorForm::detailed);
  CHECK(at(error.get(), "cause") == Py_None);
  CHECK(pyport::test::repr(at(error.get(), "notes")) == "['<note is no str>', '?']");
}

TEST_CASE("error: causes in a circle end at their limit") {
  const PythonScope python;
  const PyRef error =
      raised("a = ValueError('a'); b = ValueError('b')\na.__cause__ = b; b.__cause__ = a\nraise a",
             ErrorForm::detailed);
  std::size_t depth = 0;
  for (PyObject* cause = at(error.get(), "cause"); cause != Py_None; cause = at(cause, "cause"))
    ++depth;
  CHECK(depth == pyport::limits::kErrorCausesMax);
}

TEST_CASE("error: a scope keeps the pending exception from what happens inside") {
  const PythonScope python;
  PyErr_SetString(PyExc_KeyError, "kept");
  {
    const pyport::py::ErrorScope scope;
    CHECK(PyErr_Occurred() == nullptr);
    PyErr_SetString(PyExc_ValueError, "lost");
  }
  CHECK(pending() == "KeyError: 'kept'");
}

}  // namespace
