// Objects without a type of their own in Erlang: buffers, arrays, and in the end str(object).
#include "core/check.hpp"
#include "py/arrays.hpp"
#include "py/encoder.hpp"

namespace pyport::py {

namespace {

// A view of a buffer for the life of the scope.
class BufferView {
 public:
  BufferView() noexcept = default;
  BufferView(const BufferView&) = delete;
  BufferView& operator=(const BufferView&) = delete;
  BufferView(BufferView&&) = delete;
  BufferView& operator=(BufferView&&) = delete;
  ~BufferView() PYPORT_REQUIRES(gil) {
    if (is_open_) PyBuffer_Release(&view_);
  }
  [[nodiscard]] bool open(PyObject* object) noexcept PYPORT_REQUIRES(gil) {
    is_open_ = PyObject_GetBuffer(object, &view_, PyBUF_FULL_RO) == 0;
    return is_open_;
  }
  [[nodiscard]] const Py_buffer& get() const noexcept { return view_; }
  [[nodiscard]] bool is_bytes() const noexcept {
    const std::string_view format = view_.format == nullptr ? "B" : view_.format;
    return view_.ndim <= 1 && view_.itemsize == 1 && (format == "B" || format == "c");
  }

 private:
  Py_buffer view_{};
  bool is_open_ = false;
};

[[nodiscard]] bool has_attribute(PyObject* object, const char* name) PYPORT_REQUIRES(gil) {
  const PyRef found = PyRef::steal(PyObject_GetAttrString(object, name));
  if (!found) PyErr_Clear();
  return static_cast<bool>(found);
}

}  // namespace

// Bytes in any form become a binary, also when they are not contiguous. What looks like numpy (it
// has ndim and tolist) is numbers even when these are bytes; memoryview looks like it and is not.
bool Encoder::buffer(PyObject* object) {
  BufferView view;
  if (!view.open(object)) {
    PyErr_Clear();  // a released or exotic buffer is an object like any other
    return as_list(object);
  }
  const bool is_numpy_like = PyMemoryView_Check(object) == 0 && has_attribute(object, "ndim");
  if (view.is_bytes() && !is_numpy_like) {
    const auto count = static_cast<std::size_t>(view.get().len);
    if (!fits(count + 5)) return false;
    std::uint8_t* at = writer_.extend(count + 5);
    at[0] = etf::tag::kBinary;
    store_u32(at + 1, static_cast<std::uint32_t>(count));
    return PyBuffer_ToContiguous(at + 5, &view.get(), view.get().len, 'C') == 0;
  }
  const std::string dtype = array_dtype(view.get());
  if (options_.arrays == Arrays::binary && !dtype.empty()) return array(view.get(), dtype.c_str());
  if (is_numpy_like || has_attribute(object, "tolist")) return as_list(object);
  const PyRef typed = PyRef::steal(PyMemoryView_FromObject(object));
  return typed && as_list(typed.get());
}

// {ndarray, Dtype, Shape, Binary}
bool Encoder::array(const Py_buffer& view, const char* dtype) {
  const auto count = static_cast<std::size_t>(view.len);
  constexpr std::size_t kHeaderBytes = 512;  // 64 dimensions of 5 bytes, and the rest
  if (!fits(count + kHeaderBytes)) return false;
  writer_.tuple(4);
  writer_.atom("ndarray");
  writer_.binary(dtype);
  if (view.ndim > 0) writer_.list(static_cast<std::uint32_t>(view.ndim));
  for (int dimension = 0; dimension < view.ndim; ++dimension)
    writer_.integer(view.shape[dimension]);
  writer_.nil();
  std::uint8_t* at = writer_.extend(count + 5);
  at[0] = etf::tag::kBinary;
  store_u32(at + 1, static_cast<std::uint32_t>(count));
  return PyBuffer_ToContiguous(at + 5, &view, view.len, 'C') == 0;
}

// numpy arrays and scalars, array.array, typed memoryviews: what tolist() gives.
bool Encoder::as_list(PyObject* object) {
  const bool has_list = has_attribute(object, "tolist") &&
                        (PyObject_CheckBuffer(object) != 0 || has_attribute(object, "ndim"));
  if (!has_list) return as_text(object);
  const PyRef converted = PyRef::steal(PyObject_CallMethod(object, "tolist", nullptr));
  // The depth limit ends a tolist() that returns its own kind for ever.
  return converted && term(converted.get());
}

bool Encoder::as_text(PyObject* object) {
  const PyRef rendered = PyRef::steal(PyObject_Str(object));
  return rendered && text(rendered.get());
}

}  // namespace pyport::py
