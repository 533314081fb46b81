#include "py/arrays.hpp"

#include <charconv>
#include <limits>

#include "py/error.hpp"
#include "py/to_python_parts.hpp"

namespace pyport::py {

namespace {

constexpr std::size_t kDimensionsMax = 32;  // numpy's own limit

// The dtype taken apart: byte order, kind, bytes per element.
struct Dtype {
  char order = '|';
  char kind = 0;
  std::size_t element_bytes = 0;
};

[[nodiscard]] bool parse_dtype(std::string_view text, Dtype& dtype) noexcept {
  if (text.size() < 3 || std::string_view("<>|").find(text[0]) == std::string_view::npos)
    return false;
  dtype.order = text[0];
  dtype.kind = text[1];
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data() + 2, end, dtype.element_bytes);
  return failure == std::errc{} && stop == end && dtype.element_bytes > 0 &&
         dtype.element_bytes <= 32 &&
         std::string_view("biufc").find(dtype.kind) != std::string_view::npos;
}

// The struct format that memoryview.cast knows for it, 0 when there is none.
[[nodiscard]] char native_format(const Dtype& dtype) noexcept {
  if (dtype.order == '>') return 0;
  constexpr std::string_view kFormats[] = {
      "b1?", "i1b", "i2h", "i4i", "i8q", "u1B", "u2H", "u4I", "u8Q", "f4f", "f8d"};
  for (const std::string_view entry : kFormats)
    if (entry[0] == dtype.kind && static_cast<std::size_t>(entry[1] - '0') == dtype.element_bytes)
      return entry[2];
  return 0;
}

[[nodiscard]] bool take_length(etf::Cursor& in, Py_ssize_t& length) noexcept {
  std::uint8_t tag = 0;
  std::uint8_t u8 = 0;
  std::uint32_t u32 = 0;
  if (!in.take_u8(tag)) return false;
  if (tag == etf::tag::kSmallInteger && in.take_u8(u8)) {
    length = u8;
    return true;
  }
  if (tag != etf::tag::kInteger || !in.take_u32(u32) || u32 > INT32_MAX) return false;
  length = u32;
  return true;
}

// A list of lengths comes as STRING_EXT when all are below 256.
[[nodiscard]] bool take_shape(etf::Cursor& in, std::vector<Py_ssize_t>& shape) {
  std::uint8_t tag = 0;
  std::uint16_t u16 = 0;
  std::uint32_t u32 = 0;
  ByteView bytes;
  if (!in.take_u8(tag)) return false;
  if (tag == etf::tag::kNil) return true;
  if (tag == etf::tag::kString) {
    if (!in.take_u16(u16) || u16 > kDimensionsMax || !in.take_bytes(u16, bytes)) return false;
    shape.assign(bytes.begin(), bytes.end());
    return true;
  }
  if (tag != etf::tag::kList || !in.take_u32(u32) || u32 > kDimensionsMax) return false;
  for (std::uint32_t index = 0; index < u32; ++index) {
    Py_ssize_t length = 0;
    if (!take_length(in, length)) return false;
    shape.push_back(length);
  }
  return in.take_u8(tag) && tag == etf::tag::kNil;
}

// False as well when the product overflows.
[[nodiscard]] bool sizes_agree(const ArrayParts& parts, const Dtype& dtype) noexcept {
  std::size_t bytes = dtype.element_bytes;
  for (const Py_ssize_t length : parts.shape)
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(length), &bytes)) return false;
  return bytes == parts.data.size();
}

[[nodiscard]] PyRef shape_tuple(const ArrayParts& parts) PYPORT_REQUIRES(gil) {
  PyRef tuple = PyRef::steal(PyTuple_New(static_cast<Py_ssize_t>(parts.shape.size())));
  Py_ssize_t index = 0;
  if (!tuple) return tuple;
  for (const Py_ssize_t length : parts.shape) {
    PyObject* number = PyLong_FromSsize_t(length);
    if (number == nullptr) return {};
    PyTuple_SET_ITEM(tuple.get(), index++, number);
  }
  return tuple;
}

[[nodiscard]] PyObject* as_memoryview(PyObject* bytes, PyObject* shape, const Dtype& dtype)
    PYPORT_REQUIRES(gil) {
  const char format[2] = {native_format(dtype), 0};
  if (format[0] == 0) {
    PyErr_SetString(PyExc_ValueError, "this ndarray dtype needs numpy, which is not installed");
    return nullptr;
  }
  const PyRef flat = PyRef::steal(PyMemoryView_FromObject(bytes));
  if (!flat) return nullptr;
  // cast() wants a one-dimensional view without zeros when it is given a shape.
  if (PyObject_Size(bytes) == 0) return PyObject_CallMethod(flat.get(), "cast", "s", format);
  return PyObject_CallMethod(flat.get(), "cast", "sO", format, shape);
}

}  // namespace

bool take_array(etf::Cursor& in, ArrayParts& parts) {
  etf::Cursor ahead = in;
  etf::Atom name;
  if (!ahead.take_atom(name) || as_chars(name.name) != "ndarray") return false;
  if (!ahead.take_binary(parts.dtype) || !take_shape(ahead, parts.shape) ||
      !ahead.take_binary(parts.data))
    return false;
  in = ahead;
  return true;
}

PyObject* array_to_python(const ArrayParts& parts) {
  Dtype dtype;
  if (!parse_dtype(as_chars(parts.dtype), dtype)) {
    PyErr_SetString(PyExc_ValueError, "ndarray dtype must be numbers in numpy's form, as <f8");
    return nullptr;
  }
  if (!sizes_agree(parts, dtype)) {
    PyErr_SetString(PyExc_ValueError, "ndarray shape and dtype do not match its number of bytes");
    return nullptr;
  }
  const std::string_view data = as_chars(parts.data);
  const PyRef bytes = PyRef::steal(
      PyByteArray_FromStringAndSize(data.data(), static_cast<Py_ssize_t>(data.size())));
  const PyRef shape = shape_tuple(parts);
  if (!bytes || !shape) return nullptr;
  const PyRef numpy = PyRef::steal(PyImport_ImportModule("numpy"));
  if (!numpy) {
    if (PyErr_ExceptionMatches(PyExc_ImportError) == 0) return nullptr;
    PyErr_Clear();
    return as_memoryview(bytes.get(), shape.get(), dtype);
  }
  const std::string name(as_chars(parts.dtype));
  return PyObject_CallMethod(numpy.get(), "ndarray", "OsO", shape.get(), name.c_str(), bytes.get());
}

std::string array_dtype(const Py_buffer& view) {
  std::string_view format = view.format == nullptr ? "B" : view.format;
  char order = '<';
  if (!format.empty() && std::string_view("@=<>!").find(format[0]) != std::string_view::npos) {
    if (format[0] == '>' || format[0] == '!') order = '>';
    format.remove_prefix(1);
  }
  const bool is_complex = format.size() == 2 && format[0] == 'Z';
  if (is_complex) format.remove_prefix(1);
  if (format.size() != 1) return {};
  const auto in = [code = format[0]](std::string_view codes) {
    return codes.find(code) != std::string_view::npos;
  };
  char kind = 0;
  if (in("?")) kind = 'b';
  if (in("bhilqn")) kind = 'i';
  if (in("BHILQN")) kind = 'u';
  if (in("efd")) kind = is_complex ? 'c' : 'f';
  if (kind == 0 || (is_complex && kind != 'c')) return {};
  if (view.itemsize == 1) order = '|';
  return std::string{order, kind} + std::to_string(view.itemsize);
}

}  // namespace pyport::py
