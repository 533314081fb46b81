// PyBuffer: what a file object has besides reading. Nothing can be written from Python, and closing
// never takes away what was buffered.
#include "py/types/buffer_methods.hpp"

namespace pyport::py::buffer_methods {

PyObject* unsupported(const char* why) {
  const PyRef io = PyRef::steal(PyImport_ImportModule("io"));
  if (!io) return nullptr;
  const PyRef type = PyRef::steal(PyObject_GetAttrString(io.get(), "UnsupportedOperation"));
  if (type) PyErr_SetString(type.get(), why);
  return nullptr;
}

PyObject* always_true(PyObject* /*self*/, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return keep(Py_True);
}

PyObject* always_false(PyObject* /*self*/, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return keep(Py_False);
}

PyObject* flush(PyObject* /*self*/, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return keep(Py_None);
}

PyObject* fileno(PyObject* /*self*/, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return unsupported("a PyBuffer has no file descriptor");
}

PyObject* detach(PyObject* /*self*/, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return unsupported("a PyBuffer has no raw stream to detach");
}

PyObject* write(PyObject* /*self*/, PyObject* /*data*/) noexcept PYPORT_REQUIRES(gil) {
  return unsupported("a PyBuffer is written by Erlang only");
}

PyObject* truncate(PyObject* /*self*/, Vector /*values*/, Py_ssize_t /*count*/) noexcept
    PYPORT_REQUIRES(gil) {
  return unsupported("a PyBuffer is written by Erlang only");
}

PyObject* close(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  reader_of(self).settle();
  reader_of(self).store().close_reader();
  return keep(Py_None);
}

PyObject* enter(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return keep(self);
}

PyObject* exit(PyObject* self, Vector /*values*/, Py_ssize_t /*count*/) noexcept
    PYPORT_REQUIRES(gil) {
  return close(self, nullptr);
}

PyObject* is_closed(PyObject* self, void* /*closure*/) noexcept PYPORT_REQUIRES(gil) {
  return keep(reader_of(self).position().reader_closed ? Py_True : Py_False);
}

}  // namespace pyport::py::buffer_methods
