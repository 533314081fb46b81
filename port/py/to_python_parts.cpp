#include "py/to_python_parts.hpp"

#include "core/utf8.hpp"
#include "py/conversion_state.hpp"

namespace pyport::py {

namespace {

[[nodiscard]] PyObject* ascii_to_python(ByteView bytes) {
  PyObject* text = PyUnicode_New(static_cast<Py_ssize_t>(bytes.size()), 127);
  if (text != nullptr && !bytes.empty())
    std::memcpy(PyUnicode_1BYTE_DATA(text), bytes.data(), bytes.size());
  return text;
}

[[nodiscard]] PyObject* utf8_to_python(ByteView bytes) {
  const std::string_view text = as_chars(bytes);
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
}

// The singleton of the atom, borrowed; null for an ordinary atom.
[[nodiscard]] PyObject* special_atom(std::string_view name) noexcept {
  switch (name.size()) {
    case 3:
      return name == "nil" ? Py_None : nullptr;
    case 4:
      return name == "true" ? Py_True : name == "none" ? Py_None : nullptr;
    case 5:
      return name == "false" ? Py_False : nullptr;
    case 9:
      return name == "undefined" ? Py_None : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace

PyObject* atom_name(const etf::Atom& atom) {
  const std::string_view name = as_chars(atom.name);
  const bool cacheable = NameCache::cacheable(name);
  if (cacheable) {
    PyObject* found = conversions.names.find(name);
    if (found != nullptr) return found;
  }
  if (detail::ascii_prefix(atom.name) == name.size())
    return cacheable ? conversions.names.insert(name) : ascii_to_python(atom.name);
  if (atom.text == etf::Atom::Text::latin1)
    return PyUnicode_DecodeLatin1(name.data(), static_cast<Py_ssize_t>(name.size()), nullptr);
  return utf8_to_python(atom.name);
}

PyObject* atom_to_python(const etf::Atom& atom) {
  PyObject* singleton = special_atom(as_chars(atom.name));
  return singleton != nullptr ? keep(singleton) : atom_name(atom);
}

PyObject* binary_to_python(ByteView bytes) {
  switch (text_kind(bytes)) {
    case TextKind::ascii:
      return ascii_to_python(bytes);
    case TextKind::utf8:
      return utf8_to_python(bytes);
    case TextKind::other:
      break;
  }
  return bytes_to_python(bytes);
}

PyObject* key_to_python(ByteView bytes) {
  const std::string_view name = as_chars(bytes);
  if (!NameCache::cacheable(name)) return binary_to_python(bytes);
  PyObject* found = conversions.names.find(name);
  if (found != nullptr) return found;
  if (detail::ascii_prefix(bytes) == bytes.size()) return conversions.names.insert(name);
  return binary_to_python(bytes);
}

PyObject* bytes_to_python(ByteView bytes) {
  return PyBytes_FromStringAndSize(as_chars(bytes).data(), static_cast<Py_ssize_t>(bytes.size()));
}

PyObject* big_to_python(ByteView digits, bool negative) {
  if (digits.size() <= sizeof(std::uint64_t)) {
    std::uint64_t magnitude = 0;
    for (std::size_t at = digits.size(); at-- > 0;)
      magnitude = (magnitude << 8) | digits[at];
    if (!negative) return PyLong_FromUnsignedLongLong(magnitude);
    if (magnitude <= INT64_MAX) return PyLong_FromLongLong(-static_cast<std::int64_t>(magnitude));
  }
  // int.from_bytes is the public way; what it costs over the private one (0.2 us) bigs can bear.
  const PyRef bytes = PyRef::steal(bytes_to_python(digits));
  if (!bytes) return nullptr;
  PyObject* type = reinterpret_cast<PyObject*>(&PyLong_Type);
  PyRef magnitude =
      PyRef::steal(PyObject_CallMethod(type, "from_bytes", "Os", bytes.get(), "little"));
  if (!magnitude) return nullptr;
  return negative ? PyNumber_Negative(magnitude.get()) : magnitude.release();
}

PyObject* string_to_python(ByteView bytes) {
  PyRef list = PyRef::steal(PyList_New(static_cast<Py_ssize_t>(bytes.size())));
  if (!list) return nullptr;
  Py_ssize_t index = 0;
  for (const std::uint8_t byte : bytes)
    PyList_SET_ITEM(list.get(), index++, PyLong_FromLong(byte));  // small: never fails
  return list.release();
}

}  // namespace pyport::py
