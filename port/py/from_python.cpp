#include "py/from_python.hpp"

#include <cmath>

#include "core/check.hpp"
#include "py/conversion_state.hpp"
#include "py/encoder.hpp"
#include "py/types/buffer.hpp"
#include "py/types/channel.hpp"

namespace pyport::py {

// Exact types first: what is frequent is one comparison away and runs no Python code. Subclasses of
// int, str, float, list, tuple and dict follow their base.
bool Encoder::term(PyObject* object) {
  if (PyLong_CheckExact(object)) return integer(object);
  if (PyUnicode_CheckExact(object)) return text(object);
  if (PyFloat_CheckExact(object)) return floating(PyFloat_AS_DOUBLE(object)), true;
  if (object == Py_None) return writer_.atom("none"), true;
  if (object == Py_True) return writer_.atom("true"), true;
  if (object == Py_False) return writer_.atom("false"), true;
  if (PyBytes_CheckExact(object))
    return binary(
        as_bytes({PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object))}));
  // What follows may run Python code that drops the container this came from.
  const PyRef alive = PyRef::share(object);
  return container(object);
}

bool Encoder::container(PyObject* object) {
  if (depth_ == limits::kTermDepthMax) {
    PyErr_SetString(PyExc_RecursionError, "Python object nesting too deep for Erlang");
    return false;
  }
  ++depth_;
  bool ok = false;
  if (PyDict_Check(object))
    ok = dict(object);
  else if (PyList_Check(object))
    ok = list(object);
  else if (PyTuple_Check(object))
    ok = tuple(object);
  else
    ok = other(object);
  --depth_;
  return ok;
}

bool Encoder::other(PyObject* object) {
  if (conversions.opaque.contains(object)) {
    const ByteView term = opaque_term(object);
    if (!fits(term.size())) return false;
    writer_.raw(term);
    return true;
  }
  const bool is_buffer = Py_TYPE(object) == conversions.buffer_type;
  if (is_buffer || is_channel(object)) {
    const ByteView term = is_buffer ? reference_of_buffer(object) : reference_of_channel(object);
    if (term.empty() || !fits(term.size())) return false;
    writer_.raw(term);
    return true;
  }
  if (PyLong_Check(object)) return integer(object);
  if (PyUnicode_Check(object)) return text(object);
  if (PyFloat_Check(object)) return floating(PyFloat_AS_DOUBLE(object)), true;
  return PyObject_CheckBuffer(object) != 0 ? buffer(object) : as_list(object);
}

bool Encoder::too_large(std::size_t bytes) {
  PyErr_Format(PyExc_ValueError,
               "result too large for Erlang: at least %zu bytes, limit %zu",
               writer_.size() + bytes,
               options_.term_bytes_max);
  return false;
}

bool Encoder::integer(PyObject* object) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0) [[unlikely]]
    return big_integer(object);
  writer_.integer(value);
  return true;
}

// Through the methods of int itself: public, linear, and deaf to what a subclass overrides.
bool Encoder::big_integer(PyObject* object) {
  PyObject* type = reinterpret_cast<PyObject*>(&PyLong_Type);
  const PyRef magnitude = PyRef::steal(PyObject_CallMethod(type, "__abs__", "O", object));
  if (!magnitude) return false;
  const PyRef bits = PyRef::steal(PyObject_CallMethod(type, "bit_length", "O", magnitude.get()));
  if (!bits) return false;
  const std::size_t count = (PyLong_AsSize_t(bits.get()) + 7) / 8;
  if (count > limits::kIntegerBytesMax) {
    PyErr_Format(PyExc_ValueError,
                 "integer too large for Erlang: %zu bytes, limit %zu",
                 count,
                 limits::kIntegerBytesMax);
    return false;
  }
  const PyRef digits =
      PyRef::steal(PyObject_CallMethod(magnitude.get(), "to_bytes", "ns", count, "little"));
  if (!digits || !fits(count + 6)) return false;
  int overflow = 0;
  static_cast<void>(PyLong_AsLongLongAndOverflow(object, &overflow));
  const auto sign = static_cast<std::uint8_t>(overflow < 0);
  if (count <= 255) {
    std::uint8_t* at = writer_.extend(3);
    at[0] = etf::tag::kSmallBig;
    at[1] = static_cast<std::uint8_t>(count);
    at[2] = sign;
  } else {
    std::uint8_t* at = writer_.extend(6);
    at[0] = etf::tag::kLargeBig;
    store_u32(at + 1, static_cast<std::uint32_t>(count));
    at[5] = sign;
  }
  writer_.raw(as_bytes({PyBytes_AS_STRING(digits.get()), count}));
  return true;
}

void Encoder::floating(double value) {
  if (std::isfinite(value)) return writer_.floating(value);
  writer_.atom(std::isnan(value) ? "nan" : value > 0 ? "infinity" : "neg_infinity");
}

bool Encoder::binary(ByteView bytes) {
  if (!fits(bytes.size() + 5)) return false;
  writer_.binary(bytes);
  return true;
}

bool Encoder::text(PyObject* object) {
  if (PyUnicode_IS_COMPACT_ASCII(object))
    return binary(as_bytes({reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(object)),
                            static_cast<std::size_t>(PyUnicode_GET_LENGTH(object))}));
  // Not PyUnicode_AsUTF8AndSize: that keeps the copy in the str for as long as the str lives.
  const PyRef utf8 = PyRef::steal(PyUnicode_AsUTF8String(object));
  if (utf8)
    return binary(as_bytes(
        {PyBytes_AS_STRING(utf8.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(utf8.get()))}));
  if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError) != 0) {
    PyErr_Clear();
    PyErr_SetString(PyExc_ValueError, "str has a lone surrogate: it has no UTF-8 form for Erlang");
  }
  return false;
}

bool Encoder::list(PyObject* object) {
  const Py_ssize_t count = PyList_GET_SIZE(object);
  if (count > 0) {
    if (!fits(static_cast<std::size_t>(count) + 6)) return false;
    writer_.list(static_cast<std::uint32_t>(count));
  }
  // The size is asked for each time: converting an element may run code that changes the list.
  for (Py_ssize_t index = 0; index < count && index < PyList_GET_SIZE(object); ++index)
    if (!fits(1) || !term(PyList_GET_ITEM(object, index))) return false;
  if (PyList_GET_SIZE(object) != count) {
    PyErr_SetString(PyExc_RuntimeError, "list changed size during conversion");
    return false;
  }
  writer_.nil();
  return true;
}

bool Encoder::tuple(PyObject* object) {
  const Py_ssize_t count = PyTuple_GET_SIZE(object);
  if (!fits(static_cast<std::size_t>(count) + 5)) return false;
  writer_.tuple(static_cast<std::uint32_t>(count));
  for (Py_ssize_t index = 0; index < count; ++index)
    if (!fits(1) || !term(PyTuple_GET_ITEM(object, index))) return false;
  return true;
}

namespace {

enum class Version { none, with };

[[nodiscard]] bool encode(PyObject* object,
                          Bytes& out,
                          const EncodeOptions& options,
                          Version version) PYPORT_REQUIRES(gil) {
  PYPORT_CHECK(PyErr_Occurred() == nullptr);
  Encoder encoder(out, options);
  if (version == Version::with) encoder.writer().version();
  const bool ok = encoder.term(object);
  if (!ok) encoder.writer().rewind();
  return ok;
}

}  // namespace

bool from_python(PyObject* object, Bytes& out, const EncodeOptions& options) {
  return encode(object, out, options, Version::none);
}

bool encode_term(PyObject* object, Bytes& out, const EncodeOptions& options) {
  return encode(object, out, options, Version::with);
}

}  // namespace pyport::py
