// PyBuffer: what reads and moves on.
#include "py/types/buffer_methods.hpp"

namespace pyport::py::buffer_methods {
namespace {

using Mode = BufferReader::Mode;

[[nodiscard]] std::size_t limit_of(Py_ssize_t size) noexcept {
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

}  // namespace

PyObject* read(PyObject* self, Vector values, Py_ssize_t count) noexcept PYPORT_REQUIRES(gil) {
  Py_ssize_t size = 0;
  if (!take_size("read", nullptr, {values, count, nullptr}, size)) return nullptr;
  if (size == 0) return PyBytes_FromStringAndSize(nullptr, 0);
  if (size < 0) return reader_of(self).read_all(Mode::block);
  return reader_of(self).read(limit_of(size), Mode::block);
}

PyObject* read1(PyObject* self, Vector values, Py_ssize_t count) noexcept PYPORT_REQUIRES(gil) {
  Py_ssize_t size = 0;
  if (!take_size("read1", nullptr, {values, count, nullptr}, size)) return nullptr;
  if (size == 0) return PyBytes_FromStringAndSize(nullptr, 0);
  return reader_of(self).read(size < 0 ? PY_SSIZE_T_MAX : limit_of(size), Mode::block);
}

PyObject* peek(PyObject* self, Vector values, Py_ssize_t count) noexcept PYPORT_REQUIRES(gil) {
  Py_ssize_t size = 0;
  if (!take_size("peek", nullptr, {values, count, nullptr}, size)) return nullptr;
  return reader_of(self).peek(limit_of(size));
}

PyObject* readinto(PyObject* self, PyObject* to) noexcept PYPORT_REQUIRES(gil) {
  Py_buffer view;
  if (PyObject_GetBuffer(to, &view, PyBUF_CONTIG) != 0) {
    PyErr_Format(PyExc_TypeError,
                 "readinto() argument must be read-write bytes-like object, not %.200s",
                 Py_TYPE(to)->tp_name);
    return nullptr;
  }
  const Py_ssize_t bytes = reader_of(self).read_into(
      {static_cast<std::uint8_t*>(view.buf), static_cast<std::size_t>(view.len)});
  PyBuffer_Release(&view);
  return bytes < 0 ? nullptr : PyLong_FromSsize_t(bytes);
}

PyObject* readline(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  Py_ssize_t size = 0;
  const bool no_limit =
      count == 0 && names == nullptr;  // what is frequent goes by the shortest way
  if (!no_limit && !take_size("readline", "size", {values, count, names}, size)) return nullptr;
  return reader_of(self).read_line(limit_of(size), Mode::block);
}

PyObject* readlines(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  Py_ssize_t hint = 0;
  if (!take_size("readlines", "hint", {values, count, names}, hint)) return nullptr;
  PyRef lines = PyRef::steal(PyList_New(0));
  Py_ssize_t bytes = 0;
  while (lines && (hint <= 0 || bytes < hint)) {
    const PyRef line = PyRef::steal(reader_of(self).read_line(0, Mode::block));
    if (!line) return nullptr;
    const Py_ssize_t size = PyBytes_GET_SIZE(line.get());
    if (size == 0) break;
    if (PyList_Append(lines.get(), line.get()) != 0) return nullptr;
    bytes += size;
  }
  return lines.release();
}

PyObject* read_nonblock(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  Py_ssize_t size = 0;
  if (!take_size("read_nonblock", "size", {values, count, names}, size)) return nullptr;
  if (size == 0) return PyBytes_FromStringAndSize(nullptr, 0);
  return reader_of(self).read_there(limit_of(size));
}

PyObject* next_line(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  PyRef line = PyRef::steal(reader_of(self).read_line(0, Mode::block));
  return line && PyBytes_GET_SIZE(line.get()) != 0 ? line.release() : nullptr;
}

}  // namespace pyport::py::buffer_methods
