// One function per kind of term; recursion is bounded by limits::kTermDepthMax. Counts that the
// input claims are believed only as far as bytes are left, and memory is taken ahead only up to
// kPreallocateCountMax elements, so that nested claims cannot multiply.
#include "py/to_python.hpp"

#include "core/limits.hpp"
#include "py/arrays.hpp"
#include "py/conversion_state.hpp"
#include "py/to_python_parts.hpp"
#include "py/types/buffer.hpp"
#include "py/types/channel.hpp"

namespace pyport::py {

namespace {

constexpr std::size_t kPreallocateCountMax = std::size_t{1} << 16;

class Decoder {
 public:
  explicit Decoder(etf::Cursor& in) noexcept : in_(in) {}

  [[nodiscard]] PyObject* term() PYPORT_REQUIRES(gil);
  // A dict. With `names_error` its keys must be atoms or binaries, which become str (`true` too);
  // others are a TypeError of that text.
  [[nodiscard]] PyObject* map(std::uint32_t pairs, const char* names_error) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* malformed() PYPORT_REQUIRES(gil);

 private:
  [[nodiscard]] PyObject* key() PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* name(const char* error) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* number_or_string(std::uint8_t tag) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* whole(std::uint8_t tag) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* opaque(OpaqueKind kind) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* big(std::size_t count) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* list(std::uint32_t count) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* long_list(std::uint32_t count) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* tuple(std::uint32_t arity) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* tagged_pair() PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* refuse(const char* what) PYPORT_REQUIRES(gil) {
    PyErr_Format(PyExc_TypeError, "cannot convert an Erlang %s to Python", what);
    return nullptr;
  }
  [[nodiscard]] bool enter(std::uint64_t count) PYPORT_REQUIRES(gil);

  etf::Cursor& in_;
  std::size_t depth_ = 0;
};

PyObject* Decoder::malformed() {
  PyErr_Format(PyExc_ValueError, "malformed Erlang term at byte %zu", in_.offset());
  return nullptr;
}

// Every enter() that succeeds is followed by one --depth_; a failure ends the whole decoding.
bool Decoder::enter(std::uint64_t count) {
  if (count > in_.remaining()) return malformed() != nullptr;
  if (depth_ == limits::kTermDepthMax) {
    PyErr_SetString(PyExc_RecursionError, "Erlang term nesting too deep");
    return false;
  }
  ++depth_;
  return true;
}

// The whole term, tag included, is kept as it came. A reference that stands for a buffer or a
// channel is that.
PyObject* Decoder::opaque(OpaqueKind kind) {
  Result<ByteView> term = in_.skip_term();
  if (!term.ok()) {
    PyErr_Format(PyExc_ValueError, "malformed Erlang term: %s", term.error().detail.c_str());
    return nullptr;
  }
  if (kind == OpaqueKind::ref && conversions.buffers != nullptr) {
    PyObject* const buffer = buffer_of_reference(term.value());
    if (buffer != nullptr || PyErr_Occurred() != nullptr) return buffer;
  }
  if (kind == OpaqueKind::ref && conversions.channels != nullptr) {
    PyObject* const channel = channel_of_reference(term.value());
    if (channel != nullptr || PyErr_Occurred() != nullptr) return channel;
  }
  return make_opaque(conversions.opaque.at(kind), term.value());
}

PyObject* Decoder::big(std::size_t count) {
  std::uint8_t sign = 0;
  ByteView digits;
  if (!in_.take_u8(sign) || sign > 1 || !in_.take_bytes(count, digits)) return malformed();
  return big_to_python(digits, sign == 1);
}

PyObject* Decoder::list(std::uint32_t count) {
  if (!enter(std::uint64_t{count} + 1)) return nullptr;
  PyRef list = PyRef::steal(
      count > kPreallocateCountMax ? long_list(count) : PyList_New(static_cast<Py_ssize_t>(count)));
  if (!list) return nullptr;
  const std::uint32_t first = count > kPreallocateCountMax ? count : 0;
  for (std::uint32_t index = first; index < count; ++index) {
    PyObject* element = term();
    if (element == nullptr) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(index), element);
  }
  std::uint8_t tail = 0;
  if (!in_.take_u8(tail)) return malformed();
  if (tail != etf::tag::kNil) return refuse("improper list");
  --depth_;
  return list.release();
}

// Grows as elements really arrive.
PyObject* Decoder::long_list(std::uint32_t count) {
  PyRef list = PyRef::steal(PyList_New(0));
  if (!list) return nullptr;
  for (std::uint32_t index = 0; index < count; ++index) {
    const PyRef element = PyRef::steal(term());
    if (!element || PyList_Append(list.get(), element.get()) != 0) return nullptr;
  }
  return list.release();
}

// {bytes, Binary} and {ndarray, Dtype, Shape, Binary} have a meaning; null without an exception
// when it is neither, and then nothing was taken.
PyObject* Decoder::tagged_pair() {
  etf::Cursor ahead = in_;
  etf::Atom name;
  ByteView bytes;
  if (!ahead.take_atom(name) || as_chars(name.name) != "bytes" || !ahead.take_binary(bytes))
    return nullptr;
  in_ = ahead;
  return bytes_to_python(bytes);
}

PyObject* Decoder::tuple(std::uint32_t arity) {
  if (arity == 2) {
    PyObject* bytes = tagged_pair();
    if (bytes != nullptr || PyErr_Occurred() != nullptr) return bytes;
  } else if (arity == 4) {
    ArrayParts parts;
    if (take_array(in_, parts)) return array_to_python(parts);
  }
  if (!enter(arity)) return nullptr;
  if (arity > kPreallocateCountMax) {
    const PyRef list = PyRef::steal(long_list(arity));
    --depth_;
    return list ? PyList_AsTuple(list.get()) : nullptr;
  }
  PyRef tuple = PyRef::steal(PyTuple_New(static_cast<Py_ssize_t>(arity)));
  if (!tuple) return nullptr;
  for (std::uint32_t index = 0; index < arity; ++index) {
    PyObject* element = term();
    if (element == nullptr) return nullptr;
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(index), element);
  }
  --depth_;
  return tuple.release();
}

PyObject* Decoder::key() {
  std::uint8_t tag = 0;
  ByteView bytes;
  if (in_.peek_u8(tag) && tag == etf::tag::kBinary)
    return in_.take_binary(bytes) ? key_to_python(bytes) : malformed();
  return term();
}

PyObject* Decoder::name(const char* error) {
  etf::Atom atom;
  ByteView bytes;
  if (in_.take_atom(atom)) return atom_name(atom);
  PyRef text;
  if (in_.take_binary(bytes)) text = PyRef::steal(key_to_python(bytes));
  if (text && PyUnicode_CheckExact(text.get())) return text.release();
  if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_TypeError, error);
  return nullptr;
}

PyObject* Decoder::map(std::uint32_t pairs, const char* names_error) {
  if (!enter(std::uint64_t{pairs} * 2)) return nullptr;
  PyRef dict = PyRef::steal(PyDict_New());
  if (!dict) return nullptr;
  for (std::uint32_t pair = 0; pair < pairs; ++pair) {
    const PyRef key_object = PyRef::steal(names_error == nullptr ? key() : name(names_error));
    if (!key_object) return nullptr;
    const PyRef value = PyRef::steal(term());
    if (!value || PyDict_SetItem(dict.get(), key_object.get(), value.get()) != 0) return nullptr;
  }
  if (PyDict_Size(dict.get()) != static_cast<Py_ssize_t>(pairs)) {
    PyErr_Format(PyExc_ValueError,
                 "keys of an Erlang map collide in Python: %lu keys become %zd",
                 static_cast<unsigned long>(pairs),
                 PyDict_Size(dict.get()));
    return nullptr;
  }
  --depth_;
  return dict.release();
}

PyObject* Decoder::term() {
  std::uint8_t tag = 0;
  std::uint8_t u8 = 0;
  std::uint32_t u32 = 0;
  ByteView bytes;
  const etf::Cursor start = in_;
  if (!in_.take_u8(tag)) return malformed();
  switch (tag) {
    case etf::tag::kSmallInteger:
      return in_.take_u8(u8) ? PyLong_FromLong(u8) : malformed();
    case etf::tag::kInteger:
      return in_.take_u32(u32) ? PyLong_FromLong(static_cast<std::int32_t>(u32)) : malformed();
    case etf::tag::kBinary:
      return in_.take_u32(u32) && in_.take_bytes(u32, bytes) ? binary_to_python(bytes)
                                                             : malformed();
    case etf::tag::kNil:
      return PyList_New(0);
    case etf::tag::kList:
      return in_.take_u32(u32) ? list(u32) : malformed();
    case etf::tag::kSmallTuple:
      return in_.take_u8(u8) ? tuple(u8) : malformed();
    case etf::tag::kLargeTuple:
      return in_.take_u32(u32) ? tuple(u32) : malformed();
    case etf::tag::kMap:
      return in_.take_u32(u32) ? map(u32, nullptr) : malformed();
    case etf::tag::kNewFloat:
    case etf::tag::kFloat:
    case etf::tag::kString:
    case etf::tag::kSmallBig:
    case etf::tag::kLargeBig:
      return number_or_string(tag);
    default:
      break;
  }
  in_ = start;
  return whole(tag);
}

// REQUIRES: the tag was taken.
PyObject* Decoder::number_or_string(std::uint8_t tag) {
  std::uint8_t u8 = 0;
  std::uint16_t u16 = 0;
  std::uint32_t u32 = 0;
  double number = 0;
  ByteView bytes;
  switch (tag) {
    case etf::tag::kNewFloat:
      return in_.take_float(number) ? PyFloat_FromDouble(number) : malformed();
    case etf::tag::kFloat:
      return in_.take_old_float(number) ? PyFloat_FromDouble(number) : malformed();
    case etf::tag::kString:
      return in_.take_u16(u16) && in_.take_bytes(u16, bytes) ? string_to_python(bytes)
                                                             : malformed();
    case etf::tag::kSmallBig:
      return in_.take_u8(u8) ? big(u8) : malformed();
    default:
      return in_.take_u32(u32) ? big(u32) : malformed();
  }
}

// REQUIRES: the tag was not taken.
PyObject* Decoder::whole(std::uint8_t tag) {
  etf::Atom atom;
  switch (tag) {
    case etf::tag::kSmallAtomUtf8:
    case etf::tag::kSmallAtom:
    case etf::tag::kAtomUtf8:
    case etf::tag::kAtom:
      return in_.take_atom(atom) ? atom_to_python(atom) : malformed();
    case etf::tag::kPid:
    case etf::tag::kNewPid:
      return opaque(OpaqueKind::pid);
    case etf::tag::kReference:
    case etf::tag::kNewReference:
    case etf::tag::kNewerReference:
      return opaque(OpaqueKind::ref);
    case etf::tag::kPort:
    case etf::tag::kNewPort:
    case etf::tag::kV4Port:
      return opaque(OpaqueKind::port);
    case etf::tag::kNewFun:
    case etf::tag::kExport:
      return opaque(OpaqueKind::fun);
    case etf::tag::kBitBinary:
      return refuse("bitstring (not whole bytes)");
    case etf::tag::kCompressed:
      return refuse("compressed term (send it uncompressed)");
    default:
      return malformed();
  }
}

}  // namespace

PyObject* to_python(etf::Cursor& in) {
  return Decoder(in).term();
}

PyRef decode_term(ByteView term) {
  etf::Cursor in(term);
  Decoder decoder(in);
  if (!in.take_version()) return PyRef::steal(decoder.malformed());
  PyRef object = PyRef::steal(decoder.term());
  if (object && in.remaining() != 0) return PyRef::steal(decoder.malformed());
  return object;
}

PyRef decode_map_of_names(etf::Cursor& in, const char* map_error, const char* names_error) {
  std::uint32_t pairs = 0;
  Decoder decoder(in);
  if (!in.take_map(pairs)) {
    PyErr_SetString(PyExc_TypeError, map_error);
    return {};
  }
  PyRef dict = PyRef::steal(decoder.map(pairs, names_error));
  if (dict && in.remaining() != 0) return PyRef::steal(decoder.malformed());
  return dict;
}

PyRef decode_locals(ByteView encoded) {
  etf::Cursor in(encoded);
  return decode_map_of_names(in, "locals must be a map", "names of locals must be strings");
}

}  // namespace pyport::py
