// Names, code and arguments of requests (declared in to_python.hpp).
#include <algorithm>

#include "core/check.hpp"
#include "core/utf8.hpp"
#include "py/to_python.hpp"
#include "py/to_python_parts.hpp"

namespace pyport::py {

PyRef decode_name(ByteView encoded, const char* what) {
  etf::Cursor in(encoded);
  etf::Atom atom;
  ByteView bytes;
  PyRef name;
  if (in.take_atom(atom)) {
    bytes = atom.name;
    name = PyRef::steal(atom_name(atom));
  } else if (in.take_binary(bytes) && text_kind(bytes) != TextKind::other) {
    name = PyRef::steal(key_to_python(bytes));
  } else if (!bytes.empty()) {
    return decode_code(bytes);  // raises the UnicodeDecodeError that says where
  } else {
    PyErr_Format(PyExc_TypeError, "%s must be an atom or a UTF-8 binary", what);
    return {};
  }
  if (std::find(bytes.begin(), bytes.end(), 0) == bytes.end()) return name;
  PyErr_Format(PyExc_ValueError, "%s has an embedded null character", what);
  return {};
}

PyRef decode_code(ByteView code) {
  const std::string_view text = as_chars(code);
  if (text.find('\0') != std::string_view::npos) {
    PyErr_SetString(PyExc_ValueError, "source code cannot contain null bytes");
    return {};
  }
  return PyRef::steal(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
}

ArgVector::~ArgVector() {
  PyObject** const slots = arguments();
  for (std::size_t index = 0; index < count_; ++index)
    drop(slots[index + 1]);
  drop(keyword_names_);
}

bool ArgVector::decode(ByteView arguments) {
  PYPORT_CHECK(count_ == 0, count_);
  etf::Cursor in(arguments);
  return decode_positional(in) && decode_keywords(in);
}

// Takes the reference, also when it fails.
bool ArgVector::push(PyObject* owned) {
  if (owned == nullptr) return false;
  const std::size_t slot = count_ + 1;
  if (heap_.empty() && slot == inline_.size()) heap_.assign(inline_.begin(), inline_.end());
  if (heap_.empty())
    inline_[slot] = owned;
  else if (slot < heap_.size())
    heap_[slot] = owned;
  else
    heap_.push_back(owned);
  ++count_;
  return true;
}

bool ArgVector::decode_positional(etf::Cursor& in) {
  std::uint8_t tag = 0;
  std::uint16_t string_count = 0;
  std::uint32_t count = 0;
  ByteView bytes;
  const bool has_tag = in.take_u8(tag);
  bool has_list = true;
  if (has_tag && tag == etf::tag::kString && in.take_u16(string_count) &&
      in.take_bytes(string_count, bytes)) {
    for (const std::uint8_t byte : bytes)
      if (!push(PyLong_FromLong(byte))) return false;
  } else if (has_tag && tag == etf::tag::kList && in.take_u32(count)) {
    for (std::uint32_t index = 0; index < count; ++index)
      if (!push(to_python(in))) return false;
    if (!in.take_u8(tag) || tag != etf::tag::kNil) has_list = false;
  } else if (!has_tag || tag != etf::tag::kNil) {
    has_list = false;
  }
  positional_count_ = count_;
  if (has_list) return true;
  PyErr_SetString(PyExc_TypeError, "arguments must be a proper list");
  return false;
}

bool ArgVector::decode_keywords(etf::Cursor& in) {
  constexpr std::size_t kEmptyMapBytes = 5;
  std::uint32_t pairs = 0;
  etf::Cursor ahead = in;
  if (in.remaining() == kEmptyMapBytes && ahead.take_map(pairs) && pairs == 0) return true;
  // By way of a dict, which finds keywords that are given twice (a and <<"a">>).
  const PyRef keywords =
      decode_map_of_names(in, "keyword arguments must be a map", "keywords must be strings");
  if (!keywords) return false;
  keyword_names_ = PyTuple_New(PyDict_Size(keywords.get()));
  if (keyword_names_ == nullptr) return false;
  PyObject* name = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t index = 0;
  for (Py_ssize_t at = 0; PyDict_Next(keywords.get(), &at, &name, &value) != 0; ++index) {
    PyTuple_SET_ITEM(keyword_names_, index, keep(name));
    if (!push(keep(value))) return false;
  }
  return true;
}

PyRef ArgVector::call(PyObject* callable) {
  return PyRef::steal(PyObject_Vectorcall(callable,
                                          arguments() + 1,
                                          positional_count_ | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                          keyword_names_));
}

}  // namespace pyport::py
