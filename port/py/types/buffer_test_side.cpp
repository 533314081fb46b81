// PyBuffer: a buffer without Erlang, for tests, and its writing side.
#include <array>

#include "py/conversion_state.hpp"
#include "py/types/buffer_methods.hpp"
#include "store/buffers.hpp"

namespace pyport::py::buffer_methods {
namespace {

// Nobody is told: the writer is the test.
class NoEvents final : public store::BufferEvents {
 public:
  void credit(std::uint64_t /*number*/, std::uint64_t /*up_to*/) noexcept override {}
  void refused(std::uint64_t /*number*/, store::BufferState /*why*/) noexcept override {}
  void forgotten(std::uint64_t /*number*/) noexcept override {}
};

[[nodiscard]] store::Budget& budget() PYPORT_REQUIRES(gil) {
  static store::Budget own{store::BudgetLimits{}};  // for an interpreter without a link
  return conversions.buffers == nullptr ? own : conversions.buffers->budget();
}

[[nodiscard]] std::shared_ptr<store::Buffer> create(const store::BufferOptions& options,
                                                    ByteView content) PYPORT_REQUIRES(gil) {
  static NoEvents events;
  auto buffer = std::make_shared<store::Buffer>(0, options, budget(), events);
  buffer->append(content);
  return buffer;
}

// The announced length: that of the data unless given; None or a negative one is unknown.
[[nodiscard]] bool set_length(PyObject* given, Py_ssize_t size, store::BufferOptions& options)
    PYPORT_REQUIRES(gil) {
  if (given == Py_None) return true;
  Py_ssize_t length = size;
  if (given != nullptr && !to_count(given, length)) return false;
  if (length < 0) return true;
  options.length = static_cast<std::uint64_t>(length);
  options.retain = store::Retain::all;
  return true;
}

}  // namespace

PyObject* test_create(PyObject* /*type*/, PyObject* arguments, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  static std::array<char*, 5> keywords{const_cast<char*>("data"),
                                       const_cast<char*>("content_length"),
                                       const_cast<char*>("overflow_threshold"),
                                       const_cast<char*>("window"),
                                       nullptr};
  store::BufferOptions options;
  Py_buffer data;
  PyObject* length = nullptr;
  unsigned long long threshold = options.overflow_threshold;
  unsigned int window = options.window;
  if (PyArg_ParseTupleAndKeywords(
          arguments, names, "y*|O$KI", keywords.data(), &data, &length, &threshold, &window) == 0)
    return nullptr;
  PyObject* made = nullptr;
  options.overflow_threshold = threshold;
  options.window = window;
  if (window < (1U << 16) || (window & (window - 1)) != 0)
    PyErr_SetString(PyExc_ValueError, "window must be a power of two of at least 65536");
  else if (set_length(length, data.len, options))
    made = make_buffer(create(
        options, {static_cast<const std::uint8_t*>(data.buf), static_cast<std::size_t>(data.len)}));
  PyBuffer_Release(&data);
  return made;
}

PyObject* test_write(PyObject* self, PyObject* data) noexcept PYPORT_REQUIRES(gil) {
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) != 0) return nullptr;
  {
    store::Buffer& buffer = reader_of(self).store();
    const GilReleased released;
    buffer.append({static_cast<const std::uint8_t*>(view.buf), static_cast<std::size_t>(view.len)});
  }
  PyBuffer_Release(&view);
  return keep(Py_None);
}

// _test_end(died=False, /)
PyObject* test_end(PyObject* self, Vector values, Py_ssize_t count) noexcept PYPORT_REQUIRES(gil) {
  const int died = count > 0 ? PyObject_IsTrue(values[0]) : 0;
  if (died < 0) return nullptr;
  reader_of(self).store().end(died != 0 ? store::BufferState::writer_died
                                        : store::BufferState::ended);
  return keep(Py_None);
}

}  // namespace pyport::py::buffer_methods
