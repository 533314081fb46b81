// Python for one test: an attached thread state and a few ways to speak.
#pragma once

#include <string>

#include <doctest/doctest.h>

#include "core/bytes.hpp"
#include "py/error.hpp"
#include "py/from_python.hpp"
#include "py/module_erlang.hpp"
#include "py/to_python.hpp"

namespace pyport::test {

// The thread state that main() made and let go of. Tests on the main thread use it: CPython 3.11
// takes any other for that of a thread without the GIL (PyGILState_Check).
inline PyThreadState* main_state = nullptr;

// Attaches it, ready for conversions; a test must leave no exception behind.
class PYPORT_SCOPED_CAPABILITY PythonScope {
 public:
  PythonScope() PYPORT_ACQUIRE(py::gil) {
    PyEval_RestoreThread(main_state);
    py::gil.assert_held();
    REQUIRE(py::prepare_conversions());
  }
  // NOLINTNEXTLINE(bugprone-exception-escape) -- CHECK throws nothing, doctest's REQUIRE would
  ~PythonScope() PYPORT_RELEASE() {
    CHECK(PyErr_Occurred() == nullptr);
    PyEval_SaveThread();
  }
  PythonScope(const PythonScope&) = delete;
  PythonScope& operator=(const PythonScope&) = delete;
  PythonScope(PythonScope&&) = delete;
  PythonScope& operator=(PythonScope&&) = delete;
};

// Runs statements and returns the value of `result`, or null with the exception pending.
[[nodiscard]] inline py::PyRef run(const std::string& code) PYPORT_REQUIRES(py::gil) {
  const py::PyRef scope = py::PyRef::steal(PyDict_New());
  PyDict_SetItemString(scope.get(), "__builtins__", PyEval_GetBuiltins());
  const py::PyRef done =
      py::PyRef::steal(PyRun_String(code.c_str(), Py_file_input, scope.get(), scope.get()));
  if (!done) return {};
  return py::PyRef::share(PyDict_GetItemString(scope.get(), "result"));
}

[[nodiscard]] inline py::PyRef eval(const std::string& expression) PYPORT_REQUIRES(py::gil) {
  return run("import _erlang, collections, array, enum, decimal\nresult = " + expression);
}

// "Type: message" of the pending exception, which is cleared; "" when there is none.
[[nodiscard]] inline std::string pending() PYPORT_REQUIRES(py::gil) {
  const py::PyRef exception = py::take_exception();
  if (!exception) return "";
  const py::PyRef text = py::PyRef::steal(PyObject_Str(exception.get()));
  return std::string(Py_TYPE(exception.get())->tp_name) + ": " + PyUnicode_AsUTF8(text.get());
}

[[nodiscard]] inline std::string repr(PyObject* object) PYPORT_REQUIRES(py::gil) {
  const py::PyRef text = py::PyRef::steal(PyObject_Repr(object));
  return text ? PyUnicode_AsUTF8(text.get()) : pending();
}

}  // namespace pyport::test
