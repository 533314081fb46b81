// PyBuffer: what asyncio uses. The coroutines themselves are Python, in erlang._async; here is what
// they call, and how to get at them.
#include "py/types/buffer_methods.hpp"
#include "py/types/notifier.hpp"

namespace pyport::py::buffer_methods {
namespace {

using Mode = BufferReader::Mode;
using Need = BufferReader::Need;

// The coroutine erlang._async.<name>(self, size).
[[nodiscard]] PyObject* coroutine(const char* name, PyObject* self, Py_ssize_t size)
    PYPORT_REQUIRES(gil) {
  const PyRef function = PyRef::steal(async_function(name));
  return function ? PyObject_CallFunction(function.get(), "On", self, size) : nullptr;
}

}  // namespace

PyObject* aread(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  Py_ssize_t size = 0;
  if (!take_size("aread", "size", {values, count, names}, size)) return nullptr;
  return coroutine("read", self, size);
}

PyObject* areadline(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  Py_ssize_t size = 0;
  if (!take_size("areadline", "size", {values, count, names}, size)) return nullptr;
  return coroutine("readline", self, size);
}

PyObject* next_line_async(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  return coroutine("next_line", self, -1);
}

PyObject* try_read(PyObject* self, PyObject* size) noexcept PYPORT_REQUIRES(gil) {
  Py_ssize_t count = 0;
  if (!to_count(size, count)) return nullptr;
  if (count == 0) return PyBytes_FromStringAndSize(nullptr, 0);
  if (count < 0) return reader_of(self).read_all(Mode::try_now);
  return reader_of(self).read(static_cast<std::size_t>(count), Mode::try_now);
}

PyObject* try_readline(PyObject* self, PyObject* size) noexcept PYPORT_REQUIRES(gil) {
  Py_ssize_t count = 0;
  if (!to_count(size, count)) return nullptr;
  return reader_of(self).read_line(count > 0 ? static_cast<std::size_t>(count) : 0, Mode::try_now);
}

// _add_waiter(notifier, token, need, max)
PyObject* add_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  if (!takes("_add_waiter", 4, count)) return nullptr;
  const NotifierObject* const notifier = to_notifier(values[0]);
  std::uint64_t token = 0;
  Py_ssize_t need = 0;
  Py_ssize_t max = 0;
  if (notifier == nullptr || !to_unsigned(values[1], token) || !to_count(values[2], need) ||
      !to_count(values[3], max))
    return nullptr;
  if (need < 0 || need > static_cast<Py_ssize_t>(Need::end)) {
    PyErr_SetString(PyExc_ValueError, "need is 0 (some), 1 (line) or 2 (end)");
    return nullptr;
  }
  reader_of(self).add_waiter(notifier->notifier,
                             token,
                             static_cast<Need>(need),
                             max > 0 ? static_cast<std::size_t>(max) : 0);
  return keep(Py_None);
}

// _forget_waiter(notifier, token)
PyObject* forget_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  if (!takes("_forget_waiter", 2, count)) return nullptr;
  const NotifierObject* const notifier = to_notifier(values[0]);
  std::uint64_t token = 0;
  if (notifier == nullptr || !to_unsigned(values[1], token)) return nullptr;
  reader_of(self).store().forget_waiter(*notifier->notifier, token);
  return keep(Py_None);
}

}  // namespace pyport::py::buffer_methods
