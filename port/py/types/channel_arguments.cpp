// What the methods of Channel and ByteChannel take, and how they refuse.
#include "py/conversion_state.hpp"
#include "py/types/channel_methods.hpp"

namespace pyport::py::channel_methods {

bool to_patience(const char* method, PyObject* object, Patience& patience) {
  if (object == nullptr) return true;
  patience = {};
  if (object == Py_None) return true;
  if (PyIndex_Check(object) == 0) {
    PyErr_Format(PyExc_TypeError,
                 "%s() timeout_ms must be an integer or None, not '%.200s'",
                 method,
                 Py_TYPE(object)->tp_name);
    return false;
  }
  // What is too large for a Py_ssize_t is cut, and too large here as well.
  const Py_ssize_t wanted = PyNumber_AsSsize_t(object, nullptr);
  if (wanted == -1 && PyErr_Occurred() != nullptr) return false;
  if (wanted < -1 || wanted > kTimeoutMsMax) {
    PyErr_Format(PyExc_ValueError,
                 "%s() timeout_ms must be -1 (no limit) or from 0 to %zd, not %R",
                 method,
                 kTimeoutMsMax,
                 object);
    return false;
  }
  patience.at_once = wanted == 0;
  if (wanted > 0) patience.until = Clock::now() + milliseconds(wanted);
  return true;
}

bool forked() {
  return refused_in_forked_child("a channel cannot be used in a child made by fork()");
}

PyObject* raise_closed(const store::Channel& channel) {
  PyErr_SetString(is_terms(channel) ? conversions.channel_closed : conversions.byte_channel_closed,
                  "Channel has been closed");
  return nullptr;
}

}  // namespace pyport::py::channel_methods
