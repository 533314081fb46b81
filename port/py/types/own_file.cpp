// A store::Buffer without a writer in the BEAM: Python appends and reads. It is never ended, so no
// read waits. Position and content are the store's; the GIL serialises what is one step to Python.
#include "py/types/own_file.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "py/conversion_state.hpp"
#include "py/types/buffer_methods.hpp"
#include "store/buffers.hpp"

namespace pyport::py {
namespace {

using store::Buffer;

constexpr long long kInMemory = -1;
// From here on a copy is worth letting others run meanwhile.
constexpr std::size_t kReleaseBytes = 256U << 10;

// Nobody is told: the writer is Python, which asks.
class NoEvents final : public store::BufferEvents {
 public:
  void credit(std::uint64_t, std::uint64_t) noexcept override {}
  void refused(std::uint64_t, store::BufferState) noexcept override {}
  void forgotten(std::uint64_t) noexcept override {}
};
NoEvents no_events;

struct BufferFile {
  PyObject_HEAD
      // Owners: this object and, while it copies, a call of one of its methods.
      std::shared_ptr<Buffer>
          buffer;  // null after close()
};

BufferFile* self_of(PyObject* self) noexcept {
  return reinterpret_cast<BufferFile*>(self);
}

// Null: closed, and the exception is set.
std::shared_ptr<Buffer> open_buffer(PyObject* self) PYPORT_REQUIRES(gil) {
  if (self_of(self)->buffer == nullptr)
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
  return self_of(self)->buffer;
}

PyObject* file_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) noexcept
    PYPORT_REQUIRES(gil) {
  static const char* const names[] = {"", nullptr};
  long long threshold = 0;
  if (PyArg_ParseTupleAndKeywords(
          args, kwargs, "L:BufferFile", const_cast<char**>(names), &threshold) == 0)
    return nullptr;
  if (threshold < kInMemory) {
    PyErr_Format(PyExc_ValueError,
                 "overflow_threshold must be -1 (memory) or a number of bytes, not %lld",
                 threshold);
    return nullptr;
  }
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  store::BufferOptions options;
  options.overflow_threshold =
      threshold == kInMemory ? UINT64_MAX : static_cast<std::uint64_t>(threshold);
  options.retain = store::Retain::all;
  std::construct_at(&self_of(self)->buffer,
                    std::make_shared<Buffer>(0, options, conversions.buffers->budget(), no_events));
  return self;
}

// Closing and unmapping a large file takes longer than handing the GIL over.
void let_go(std::shared_ptr<Buffer> buffer) PYPORT_REQUIRES(gil) {
  constexpr std::uint64_t kCloseWithoutGil = std::uint64_t{16} << 20;
  if (buffer == nullptr || buffer->usage().file_bytes < kCloseWithoutGil) return;
  const GilReleased released;
  buffer.reset();
}

void file_dealloc(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  PyTypeObject* const type = Py_TYPE(self);
  let_go(std::move(self_of(self)->buffer));
  std::destroy_at(&self_of(self)->buffer);
  type->tp_free(self);
  drop(reinterpret_cast<PyObject*>(type));  // an instance of a heap type owns its type
}

// --- reading ---

std::size_t unread(Buffer& buffer) {
  return static_cast<std::size_t>(buffer.position().unread());
}

// Fills `to` from the read position; how much there was.
std::size_t fill(Buffer& buffer, std::uint8_t* to, std::size_t size) {
  std::size_t filled = 0;
  while (filled < size) {
    const Buffer::Pin pin = buffer.take(size - filled);
    if (pin.bytes().empty()) break;
    std::memcpy(to + filled, pin.bytes().data(), pin.bytes().size());
    filled += pin.bytes().size();
  }
  return filled;
}

std::size_t fill_python(Buffer& buffer, std::uint8_t* to, std::size_t size) PYPORT_REQUIRES(gil) {
  if (size < kReleaseBytes) return fill(buffer, to, size);
  const GilReleased released;
  return fill(buffer, to, size);
}

PyObject* take_bytes(Buffer& buffer, std::size_t size) PYPORT_REQUIRES(gil) {
  PyObject* bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
  if (bytes == nullptr) return nullptr;
  const std::size_t filled =
      fill_python(buffer, reinterpret_cast<std::uint8_t*>(PyBytes_AS_STRING(bytes)), size);
  // Another thread read the same file meanwhile.
  if (filled < size) _PyBytes_Resize(&bytes, static_cast<Py_ssize_t>(filled));
  return bytes;
}

// None and negative numbers are no limit.
bool take_size(const char* method, const Arguments& arguments, std::optional<std::size_t>& size)
    PYPORT_REQUIRES(gil) {
  Py_ssize_t number = 0;
  if (!buffer_methods::take_size(method, nullptr, arguments, number)) return false;
  size.reset();
  if (number >= 0) size = static_cast<std::size_t>(number);
  return true;
}

// The buffer and the size of a call `name([size])`. Null: an exception is set.
std::shared_ptr<Buffer> sized_call(PyObject* self,
                                   const char* name,
                                   PyObject* const* args,
                                   Py_ssize_t count,
                                   std::optional<std::size_t>& size) PYPORT_REQUIRES(gil) {
  if (!take_size(name, {args, count, nullptr}, size)) return nullptr;
  return open_buffer(self);
}

PyObject* file_read(PyObject* self, PyObject* const* args, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  std::optional<std::size_t> size;
  const auto buffer = sized_call(self, "read", args, count, size);
  if (buffer == nullptr) return nullptr;
  const std::size_t there = unread(*buffer);
  return take_bytes(*buffer, size ? std::min(*size, there) : there);
}

PyObject* file_readinto(PyObject* self, PyObject* target) noexcept PYPORT_REQUIRES(gil) {
  const auto buffer = open_buffer(self);
  Py_buffer view;
  if (buffer == nullptr || PyObject_GetBuffer(target, &view, PyBUF_WRITABLE) != 0) return nullptr;
  const std::size_t filled = fill_python(
      *buffer, static_cast<std::uint8_t*>(view.buf), static_cast<std::size_t>(view.len));
  PyBuffer_Release(&view);
  return PyLong_FromSize_t(filled);
}

PyObject* next_line(Buffer& buffer, std::size_t limit) PYPORT_REQUIRES(gil) {
  const Buffer::Pin pin = buffer.take_line(limit);
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(pin.bytes().data()),
                                   static_cast<Py_ssize_t>(pin.bytes().size()));
}

PyObject* file_readline(PyObject* self, PyObject* const* args, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  std::optional<std::size_t> size;
  const auto buffer = sized_call(self, "readline", args, count, size);
  if (buffer == nullptr) return nullptr;
  if (size == std::size_t{0}) return PyBytes_FromStringAndSize(nullptr, 0);
  return next_line(*buffer, size.value_or(0));
}

PyObject* file_readlines(PyObject* self, PyObject* const* args, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  std::optional<std::size_t> hint;
  const auto buffer = sized_call(self, "readlines", args, count, hint);
  PyRef lines = PyRef::steal(buffer == nullptr ? nullptr : PyList_New(0));
  if (!lines) return nullptr;
  for (std::size_t bytes = 0; hint.value_or(0) == 0 || bytes < *hint;) {
    const PyRef line = PyRef::steal(next_line(*buffer, 0));
    if (!line || (PyBytes_GET_SIZE(line.get()) > 0 && PyList_Append(lines.get(), line.get()) != 0))
      return nullptr;
    if (PyBytes_GET_SIZE(line.get()) == 0) break;
    bytes += static_cast<std::size_t>(PyBytes_GET_SIZE(line.get()));
  }
  return lines.release();
}

PyObject* file_iternext(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  const auto buffer = open_buffer(self);
  PyRef line = PyRef::steal(buffer == nullptr ? nullptr : next_line(*buffer, 0));
  if (!line || PyBytes_GET_SIZE(line.get()) == 0) return nullptr;  // the end has no exception
  return line.release();
}

// --- writing ---

// A Python exception for what the storage could not take. REQUIRES: it took less than all.
void set_write_error(Buffer& buffer) PYPORT_REQUIRES(gil) {
  const auto state = buffer.position().state;
  errno = state == store::BufferState::no_space ? ENOSPC : EFBIG;
  PyErr_SetFromErrno(PyExc_OSError);
}

bool append_bytes(Buffer& buffer, const Py_buffer& view) PYPORT_REQUIRES(gil) {
  const ByteView bytes{static_cast<const std::uint8_t*>(view.buf),
                       static_cast<std::size_t>(view.len)};
  const std::uint64_t before = buffer.position().written;
  // A writer that nothing holds back by credit: it is refused.
  if (!conversions.buffers->budget().has_room(bytes.size())) {
    errno = ENOSPC;
    PyErr_SetFromErrno(PyExc_OSError);
    return false;
  }
  if (bytes.size() < kReleaseBytes &&
      before + bytes.size() <= buffer.options().overflow_threshold) {
    buffer.append(bytes);
  } else {
    const GilReleased released;  // a file may be slow
    buffer.append(bytes);
  }
  if (buffer.position().written >= before + bytes.size()) return true;
  set_write_error(buffer);
  return false;
}

// append() of any bytes-like object; how many bytes, or -1 with an exception.
Py_ssize_t append_object(Buffer& buffer, PyObject* data) PYPORT_REQUIRES(gil) {
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) != 0) return -1;
  const Py_ssize_t size = view.len;
  const bool ok = append_bytes(buffer, view);
  PyBuffer_Release(&view);
  return ok ? size : -1;
}

PyObject* file_append(PyObject* self, PyObject* data) noexcept PYPORT_REQUIRES(gil) {
  const auto buffer = open_buffer(self);
  if (buffer == nullptr || append_object(*buffer, data) < 0) return nullptr;
  return keep(Py_None);
}

PyObject* file_write(PyObject* self, PyObject* data) noexcept PYPORT_REQUIRES(gil) {
  const auto buffer = open_buffer(self);
  if (buffer == nullptr) return nullptr;
  if (unread(*buffer) != 0)
    return buffer_methods::unsupported("a BufferFile is written at its end only: seek(0, 2) first");
  const Py_ssize_t size = append_object(*buffer, data);
  if (size < 0) return nullptr;
  static_cast<void>(buffer->seek(buffer->position().written));
  return PyLong_FromSsize_t(size);
}

PyObject* file_get(PyObject* self, PyObject* const* args, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  std::optional<std::size_t> size;
  const int skip = count == 2 ? PyObject_IsTrue(args[1]) : 0;
  if (skip < 0 || !take_size("get", {args, count == 2 ? 1 : count, nullptr}, size)) return nullptr;
  const auto buffer = open_buffer(self);
  if (buffer == nullptr) return nullptr;
  const store::Buffer::Position before = buffer->position();
  const auto there = static_cast<std::size_t>(before.unread());
  PyObject* const bytes = take_bytes(*buffer, size ? std::min(*size, there) : there);
  if (skip == 0) static_cast<void>(buffer->seek(before.read));
  return bytes;
}

// --- position and end ---

PyObject* file_tell(PyObject* self, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  const auto buffer = open_buffer(self);
  return buffer == nullptr ? nullptr : PyLong_FromUnsignedLongLong(buffer->position().read);
}

PyObject* file_seek(PyObject* self, PyObject* args) noexcept PYPORT_REQUIRES(gil) {
  long long offset = 0;
  int whence = 0;
  if (PyArg_ParseTuple(args, "L|i:seek", &offset, &whence) == 0) return nullptr;
  const auto buffer = open_buffer(self);
  if (buffer == nullptr) return nullptr;
  const store::Buffer::Position at = buffer->position();
  const std::uint64_t bases[] = {0, at.read, at.written};
  if (whence < 0 || whence > 2)
    return PyErr_Format(PyExc_ValueError, "invalid whence (%d, should be 0, 1 or 2)", whence);
  const auto base = static_cast<long long>(bases[whence]);
  if (offset < -base || offset > static_cast<long long>(at.written) - base)
    return PyErr_Format(PyExc_ValueError,
                        "cannot seek to %lld: the file has %llu bytes",
                        base + offset,
                        static_cast<unsigned long long>(at.written));
  static_cast<void>(buffer->seek(static_cast<std::uint64_t>(base + offset)));
  return PyLong_FromLongLong(base + offset);
}

PyObject* file_close(PyObject* self, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  let_go(std::exchange(self_of(self)->buffer, nullptr));
  return keep(Py_None);
}

PyObject* file_closed(PyObject* self, void*) noexcept PYPORT_REQUIRES(gil) {
  return keep(self_of(self)->buffer == nullptr ? Py_True : Py_False);
}

PyObject* file_yes(PyObject* self, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  return open_buffer(self) == nullptr ? nullptr : keep(Py_True);
}

PyObject* file_no(PyObject* self, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  return open_buffer(self) == nullptr ? nullptr : keep(Py_False);
}

PyObject* file_flush(PyObject* self, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  return open_buffer(self) == nullptr ? nullptr : keep(Py_None);
}

PyObject* file_fileno(PyObject*, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  return buffer_methods::unsupported("a BufferFile has no descriptor");
}

PyObject* file_enter(PyObject* self, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  return open_buffer(self) == nullptr ? nullptr : keep(self);
}

PyObject* file_exit(PyObject* self, PyObject*) noexcept PYPORT_REQUIRES(gil) {
  return file_close(self, nullptr);
}

template <class Function>
PyCFunction method(Function function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"read", method(file_read), METH_FASTCALL, "read([size]): up to size bytes, or all."},
    {"read1", method(file_read), METH_FASTCALL, "The same as read()."},
    {"readinto", file_readinto, METH_O, "Fills a writable buffer; the number of bytes."},
    {"readline", method(file_readline), METH_FASTCALL, "readline([size]): one line with its end."},
    {"readlines", method(file_readlines), METH_FASTCALL, "readlines([hint]): a list of lines."},
    {"write", file_write, METH_O, "Adds bytes at the position, which must be the end."},
    {"append", file_append, METH_O, "Adds bytes at the end; the position stays."},
    {"get", method(file_get), METH_FASTCALL, "get([size[, skip]]): without skip they stay."},
    {"seek", file_seek, METH_VARARGS, "seek(offset[, whence]): where it is then."},
    {"tell", file_tell, METH_NOARGS, "The position, in bytes from the start."},
    {"close", file_close, METH_NOARGS, "Frees the content. Nothing works afterwards."},
    {"flush", file_flush, METH_NOARGS, "Does nothing: nothing is held back."},
    {"fileno", file_fileno, METH_NOARGS, "Raises io.UnsupportedOperation."},
    {"isatty", file_no, METH_NOARGS, "False."},
    {"readable", file_yes, METH_NOARGS, "True."},
    {"writable", file_yes, METH_NOARGS, "True."},
    {"seekable", file_yes, METH_NOARGS, "True."},
    {"__enter__", file_enter, METH_NOARGS, nullptr},
    {"__exit__", file_exit, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef members[] = {
    {"closed", file_closed, nullptr, "True after close().", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

constexpr const char* kDoc =
    "BufferFile(overflow_threshold, /)\n--\n\n"
    "A file object that is read anywhere and written at its end.\n\n"
    "overflow_threshold: content of more bytes is in an unlinked temporary file; 0: always, -1: \n"
    "only when pyport's limit of memory for buffers is reached. Raises OSError (ENOSPC) where the\n"
    "file system is full or resource_bytes_max is reached, ValueError after close(). One thread "
    "at\n"
    "a time.";

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(kDoc)},
    {Py_tp_new, reinterpret_cast<void*>(file_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(file_dealloc)},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(file_iternext)},
    {Py_tp_methods, methods},
    {Py_tp_getset, members},
    {0, nullptr},
};
PyType_Spec spec{"erlang.buffers.BufferFile",
                 sizeof(BufferFile),
                 0,
                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                 slots};

}  // namespace

PyRef make_own_file_type() {
  return PyRef::steal(PyType_FromSpec(&spec));
}

}  // namespace pyport::py
