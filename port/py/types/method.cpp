#include "py/types/method.hpp"

#include <cerrno>

#include "py/conversion_state.hpp"

namespace pyport::py {
namespace {

[[nodiscard]] bool refuse_count(const char* method,
                                const char* wanted,
                                Py_ssize_t count,
                                Py_ssize_t given) PYPORT_REQUIRES(gil) {
  PyErr_Format(PyExc_TypeError,
               "%s() takes %s %zd argument%s (%zd given)",
               method,
               wanted,
               count,
               count == 1 ? "" : "s",
               given);
  return false;
}

}  // namespace

bool takes(const char* method, Py_ssize_t wanted, Py_ssize_t count) {
  if (count == wanted) return true;
  PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", method, wanted, count);
  return false;
}

bool take_optional(const char* method,
                   Py_ssize_t required,
                   const char* name,
                   const Arguments& arguments,
                   PyObject*& found) {
  const Py_ssize_t names = arguments.names == nullptr ? 0 : PyTuple_GET_SIZE(arguments.names);
  const Py_ssize_t given = arguments.count + names;
  found = nullptr;
  if (arguments.count < required)
    return refuse_count(method, "at least", required, arguments.count);
  if (given > required + 1) return refuse_count(method, "at most", required + 1, given);
  if (names == 1 && (name == nullptr || PyUnicode_CompareWithASCIIString(
                                            PyTuple_GET_ITEM(arguments.names, 0), name) != 0)) {
    PyErr_Format(PyExc_TypeError,
                 "%s() got an unexpected keyword argument %R",
                 method,
                 PyTuple_GET_ITEM(arguments.names, 0));
    return false;
  }
  if (given > required) found = arguments.values[required];
  return true;
}

bool to_count(PyObject* object, Py_ssize_t& count) {
  count = PyNumber_AsSsize_t(object, PyExc_OverflowError);
  return count != -1 || PyErr_Occurred() == nullptr;
}

bool to_unsigned(PyObject* object, std::uint64_t& number) {
  number = PyLong_AsUnsignedLongLong(object);
  return number != UINT64_MAX || PyErr_Occurred() == nullptr;
}

PyObject* async_function(const char* name) {
  // Imported where it is first used: it takes asyncio along.
  if (conversions.async_module == nullptr)
    conversions.async_module = PyImport_ImportModule("erlang._async");
  if (conversions.async_module == nullptr) return nullptr;
  return PyObject_GetAttrString(conversions.async_module, name);
}

bool refuse_forked(const char* why) {
  // From both OSError takes the subclass: BrokenPipeError for EPIPE.
  const PyRef arguments = PyRef::steal(Py_BuildValue("(is)", EPIPE, why));
  if (arguments) PyErr_SetObject(PyExc_OSError, arguments.get());
  return true;
}

}  // namespace pyport::py
