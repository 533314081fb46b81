// How the methods of PyBuffer take their arguments.
#include "py/types/buffer_methods.hpp"

namespace pyport::py::buffer_methods {

bool to_count(PyObject* object, Py_ssize_t& count) {
  count = PyNumber_AsSsize_t(object, PyExc_OverflowError);
  return count != -1 || PyErr_Occurred() == nullptr;
}

bool take_size(const char* method, const char* name, const Arguments& arguments, Py_ssize_t& size) {
  const Py_ssize_t names = arguments.names == nullptr ? 0 : PyTuple_GET_SIZE(arguments.names);
  size = -1;
  if (arguments.count + names == 0) return true;
  if (arguments.count + names > 1) {
    PyErr_Format(PyExc_TypeError,
                 "%s() takes at most 1 argument (%zd given)",
                 method,
                 arguments.count + names);
    return false;
  }
  if (names == 1 && (name == nullptr || PyUnicode_CompareWithASCIIString(
                                            PyTuple_GET_ITEM(arguments.names, 0), name) != 0)) {
    PyErr_Format(PyExc_TypeError,
                 "%s() got an unexpected keyword argument %R",
                 method,
                 PyTuple_GET_ITEM(arguments.names, 0));
    return false;
  }
  PyObject* const value = arguments.values[0];
  if (value == Py_None) return true;
  if (PyIndex_Check(value) == 0) {
    PyErr_Format(PyExc_TypeError,
                 "%s() argument should be integer or None, not '%.200s'",
                 method,
                 Py_TYPE(value)->tp_name);
    return false;
  }
  return to_count(value, size);
}

}  // namespace pyport::py::buffer_methods
