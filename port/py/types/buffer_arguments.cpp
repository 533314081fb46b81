// How the methods of PyBuffer take their arguments.
#include "py/types/buffer_methods.hpp"

namespace pyport::py::buffer_methods {

bool take_size(const char* method, const char* name, const Arguments& arguments, Py_ssize_t& size) {
  PyObject* value = nullptr;
  size = -1;
  if (!take_optional(method, 0, name, arguments, value)) return false;
  if (value == nullptr || value == Py_None) return true;
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
