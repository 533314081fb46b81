// dict to map. Keys that are distinct in Python may be one key in Erlang ('a' and b'a'); such a map
// would be refused by the BEAM, so it is an error here. Plain keys (exactly str or int) convert one
// to one, cannot collide, and run no Python code: they are the fast way.
#include <algorithm>
#include <string_view>
#include <vector>

#include "py/encoder.hpp"

namespace pyport::py {

namespace {

// Where the encoded keys lie; offsets, since the bytes move while they grow.
struct Span {
  std::size_t begin;
  std::size_t end;
};

[[nodiscard]] bool has_plain_keys(PyObject* dict) noexcept {
  PyObject* key = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, nullptr) != 0;)
    if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key)) return false;
  return true;
}

// Equal bytes are equal keys: each term has one encoding here.
[[nodiscard]] bool collide(const std::vector<Span>& spans, ByteView written) {
  std::vector<std::string_view> keys;
  keys.reserve(spans.size());
  for (const Span& span : spans)
    keys.push_back(as_chars(written.subspan(span.begin, span.end - span.begin)));
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

}  // namespace

bool Encoder::dict(PyObject* object) {
  const Py_ssize_t count = PyDict_Size(object);
  if (!fits(static_cast<std::size_t>(count) * 2 + 5)) return false;
  writer_.map(static_cast<std::uint32_t>(count));
  const bool is_plain = has_plain_keys(object);
  std::vector<Span> spans;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t written = 0;
  for (Py_ssize_t at = 0; written < count && PyDict_Next(object, &at, &key, &value) != 0;
       ++written) {
    const PyRef value_alive = PyRef::share(value);  // converting the key may drop the entry
    const std::size_t begin = writer_.size();
    if (!fits(2) || !term(key)) return false;
    if (!is_plain) spans.push_back({begin, writer_.size()});
    if (!term(value_alive.get())) return false;
  }
  if (written != count || PyDict_Size(object) != count) {
    PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during conversion");
    return false;
  }
  if (!is_plain && collide(spans, writer_.written())) {
    PyErr_SetString(PyExc_ValueError, "keys of a dict collide in Erlang (as 'a' and b'a' do)");
    return false;
  }
  return true;
}

}  // namespace pyport::py
