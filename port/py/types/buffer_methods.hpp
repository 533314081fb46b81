// The methods of PyBuffer that buffer.cpp puts into its table, by file. Each is what CPython calls:
// with the GIL, a new reference or null with an exception set.
#pragma once

#include "py/types/buffer.hpp"
#include "py/types/method.hpp"

namespace pyport::py::buffer_methods {

[[nodiscard]] inline BufferReader& reader_of(PyObject* self) noexcept {
  return reinterpret_cast<BufferObject*>(self)->reader;
}

// --- buffer_arguments.cpp ---

// The one argument that a method may be given, `name` by keyword unless that is null: an integer,
// None for -1. False: a TypeError or OverflowError is set.
[[nodiscard]] bool take_size(const char* method,
                             const char* name,
                             const Arguments& arguments,
                             Py_ssize_t& size) PYPORT_REQUIRES(gil);

// --- buffer_read.cpp ---
PyObject* read(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* read1(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* peek(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* readinto(PyObject* self, PyObject* to) noexcept;
PyObject* readline(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* readlines(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* read_nonblock(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* next_line(PyObject* self) noexcept;

// --- buffer_position.cpp ---
PyObject* readable_amount(PyObject* self, PyObject* none) noexcept;
PyObject* at_eof(PyObject* self, PyObject* none) noexcept;
PyObject* tell(PyObject* self, PyObject* none) noexcept;
PyObject* seek(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* find(PyObject* self, Vector values, Py_ssize_t count) noexcept;
Py_ssize_t length(PyObject* self) noexcept;
PyObject* repr(PyObject* self) noexcept;

// --- buffer_file.cpp: what makes it a file object ---
// Sets io.UnsupportedOperation; null.
PyObject* unsupported(const char* why) PYPORT_REQUIRES(gil);
PyObject* always_true(PyObject* self, PyObject* none) noexcept;
PyObject* always_false(PyObject* self, PyObject* none) noexcept;
PyObject* flush(PyObject* self, PyObject* none) noexcept;
PyObject* fileno(PyObject* self, PyObject* none) noexcept;
PyObject* detach(PyObject* self, PyObject* none) noexcept;
PyObject* write(PyObject* self, PyObject* data) noexcept;
PyObject* truncate(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* close(PyObject* self, PyObject* none) noexcept;
PyObject* enter(PyObject* self, PyObject* none) noexcept;
PyObject* exit(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* is_closed(PyObject* self, void* closure) noexcept;

// --- buffer_async.cpp ---
PyObject* aread(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* areadline(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* next_line_async(PyObject* self) noexcept;
PyObject* try_read(PyObject* self, PyObject* size) noexcept;
PyObject* try_readline(PyObject* self, PyObject* size) noexcept;
PyObject* add_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* forget_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept;

// --- buffer_test_side.cpp: a writing side for tests ---
PyObject* test_create(PyObject* type, PyObject* arguments, PyObject* names) noexcept;
PyObject* test_write(PyObject* self, PyObject* data) noexcept;
PyObject* test_end(PyObject* self, Vector values, Py_ssize_t count) noexcept;

}  // namespace pyport::py::buffer_methods
