// PyBuffer: where it stands, what is there, and finding things in it.
#include <algorithm>
#include <array>

#include "py/types/buffer_methods.hpp"

namespace pyport::py::buffer_methods {
namespace {

// Searching so much takes longer than handing the GIL over.
constexpr std::uint64_t kSearchWithoutGil = std::uint64_t{256} << 10;

[[nodiscard]] PyObject* refuse(const char* why) PYPORT_REQUIRES(gil) {
  PyErr_SetString(PyExc_ValueError, why);
  return nullptr;
}

// `start` or `end` of find(), as for bytes.find: what is too large is cut, not refused.
[[nodiscard]] bool slice_index(PyObject* object, Py_ssize_t& index) PYPORT_REQUIRES(gil) {
  if (object == Py_None) return true;
  if (PyIndex_Check(object) == 0) {
    PyErr_SetString(PyExc_TypeError,
                    "slice indices must be integers or None or have an __index__ method");
    return false;
  }
  index = PyNumber_AsSsize_t(object, nullptr);
  return index != -1 || PyErr_Occurred() == nullptr;
}

[[nodiscard]] Py_ssize_t from_front(Py_ssize_t index, Py_ssize_t length) noexcept {
  return index < 0 ? std::max<Py_ssize_t>(index + length, 0) : index;
}

// The bytes to look for: bytes-like, or one byte as an integer.
class Needle {
 public:
  Needle() noexcept = default;
  Needle(const Needle&) = delete;
  Needle& operator=(const Needle&) = delete;
  ~Needle() PYPORT_REQUIRES(gil) {
    if (view_.obj != nullptr) PyBuffer_Release(&view_);
  }

  [[nodiscard]] bool take(PyObject* object) PYPORT_REQUIRES(gil) {
    if (PyObject_CheckBuffer(object) != 0) {
      if (PyObject_GetBuffer(object, &view_, PyBUF_SIMPLE) != 0) return false;
      bytes_ = {static_cast<const std::uint8_t*>(view_.buf), static_cast<std::size_t>(view_.len)};
      return true;
    }
    if (PyIndex_Check(object) == 0) {
      PyErr_Format(PyExc_TypeError,
                   "find() argument should be a bytes-like object or an integer, not '%.200s'",
                   Py_TYPE(object)->tp_name);
      return false;
    }
    const Py_ssize_t value = PyNumber_AsSsize_t(object, nullptr);
    if (value == -1 && PyErr_Occurred() != nullptr) return false;
    if (value < 0 || value > 255) return refuse("byte must be in range(0, 256)") != nullptr;
    byte_[0] = static_cast<std::uint8_t>(value);
    bytes_ = byte_;
    return true;
  }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

 private:
  Py_buffer view_{};
  std::array<std::uint8_t, 1> byte_{};
  ByteView bytes_;
};

struct Range {
  std::size_t from;
  std::size_t to;
};

[[nodiscard]] std::optional<std::size_t> search(store::Buffer& buffer, ByteView needle, Range range)
    PYPORT_REQUIRES(gil) {
  if (range.to - range.from < kSearchWithoutGil) return buffer.find(needle, range.from, range.to);
  const GilReleased released;
  return buffer.find(needle, range.from, range.to);
}

// Where a seek leads, or an exception.
[[nodiscard]] bool seek_target(const BufferReader& reader,
                               const store::Buffer::Position& at,
                               int whence,
                               Py_ssize_t& target) PYPORT_REQUIRES(gil) {
  const auto written = static_cast<Py_ssize_t>(at.written);
  const char* before = "Seek would go before start";
  const char* behind = "Cannot seek past available data";
  Py_ssize_t base = 0;
  switch (whence) {
    case SEEK_SET:
      before = "Negative seek position";
      break;
    case SEEK_CUR:
      base = static_cast<Py_ssize_t>(at.read);
      break;
    case SEEK_END:
      if (!reader.complete(at)) return refuse("Cannot seek from end before EOF") != nullptr;
      behind = "Cannot seek past end";
      base = written;
      break;
    default:
      return refuse("Invalid whence value") != nullptr;
  }
  if (target > written - base) return refuse(behind) != nullptr;
  if (target < -base) return refuse(before) != nullptr;
  target += base;
  return true;
}

}  // namespace

PyObject* readable_amount(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return PyLong_FromUnsignedLongLong(reader_of(self).position().unread());
}

// An asynchronous loop looks at nothing else when there is nothing to read, so it must hear here
// that the content was cut off.
PyObject* at_eof(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  const BufferReader& reader = reader_of(self);
  const store::Buffer::Position at = reader_of(self).position();
  if (at.unread() != 0 || !reader.complete(at)) return keep(Py_False);
  return reader.raise_if_cut_off(at) ? nullptr : keep(Py_True);
}

PyObject* tell(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return PyLong_FromUnsignedLongLong(reader_of(self).position().read);
}

PyObject* seek(PyObject* self, Vector values, Py_ssize_t count) noexcept PYPORT_REQUIRES(gil) {
  Py_ssize_t target = 0;
  Py_ssize_t whence = SEEK_SET;
  if (count < 1 || count > 2) {
    PyErr_Format(PyExc_TypeError, "seek() takes 1 or 2 arguments (%zd given)", count);
    return nullptr;
  }
  if (!to_count(values[0], target) || (count == 2 && !to_count(values[1], whence))) return nullptr;
  BufferReader& reader = reader_of(self);
  const store::Buffer::Position at = reader.position();
  const int known = whence >= SEEK_SET && whence <= SEEK_END ? static_cast<int>(whence) : -1;
  if (!seek_target(reader, at, known, target)) return nullptr;
  if (!reader.seek(static_cast<std::uint64_t>(target))) {
    PyErr_Format(PyExc_ValueError,
                 "Cannot seek to %zd: what was read before %llu was dropped (a buffer made with "
                 "retain => all keeps everything)",
                 target,
                 static_cast<unsigned long long>(at.kept));
    return nullptr;
  }
  return PyLong_FromSsize_t(target);
}

PyObject* find(PyObject* self, Vector values, Py_ssize_t count) noexcept PYPORT_REQUIRES(gil) {
  if (count < 1 || count > 3) {
    PyErr_Format(PyExc_TypeError, "find() takes 1 to 3 arguments (%zd given)", count);
    return nullptr;
  }
  Needle needle;
  Py_ssize_t start = 0;
  Py_ssize_t end = PY_SSIZE_T_MAX;
  // All of this may run Python code, so it comes before the first look at the buffer.
  if (!needle.take(values[0])) return nullptr;
  if (count > 1 && !slice_index(values[1], start)) return nullptr;
  if (count > 2 && !slice_index(values[2], end)) return nullptr;
  BufferReader& reader = reader_of(self);
  reader.settle();
  const auto unread = static_cast<Py_ssize_t>(reader.position().unread());
  start = from_front(start, unread);
  end = std::min(from_front(end, unread), unread);
  if (start > end) return PyLong_FromLong(-1);
  if (needle.bytes().empty()) return PyLong_FromSsize_t(start);
  const auto found = search(reader.store(),
                            needle.bytes(),
                            {static_cast<std::size_t>(start), static_cast<std::size_t>(end)});
  return PyLong_FromSsize_t(found ? static_cast<Py_ssize_t>(*found) : -1);
}

Py_ssize_t length(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  return static_cast<Py_ssize_t>(reader_of(self).position().unread());
}

PyObject* repr(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  const store::Buffer::Position at = reader_of(self).position();
  return PyUnicode_FromFormat("<PyBuffer available=%llu total=%llu eof=%s>",
                              static_cast<unsigned long long>(at.unread()),
                              static_cast<unsigned long long>(at.written),
                              at.state == store::BufferState::open ? "False" : "True");
}

}  // namespace pyport::py::buffer_methods
