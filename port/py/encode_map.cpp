// dict to map. Keys that are distinct in Python may be one key in Erlang ('a' and b'a'); such a map
// would be refused by the BEAM, so it is an error here. Plain keys (exactly str or int) convert one
// to one, cannot collide, and run no Python code: they are the fast way.
#include <algorithm>
#include <string_view>
#include <vector>

#include "py/encoder.hpp"

namespace pyport::py {

namespace {

[[nodiscard]] bool is_plain(PyObject* key) noexcept {
  return PyUnicode_CheckExact(key) || PyLong_CheckExact(key);
}

}  // namespace

// Equal bytes are equal keys: each term has one encoding here.
bool Encoder::keys_collide(std::size_t first) const {
  const ByteView bytes = writer_.written();
  std::vector<std::string_view> keys;
  keys.reserve(keys_.size() - first);
  for (std::size_t index = first; index < keys_.size(); ++index)
    keys.push_back(
        as_chars(bytes.subspan(keys_[index].begin, keys_[index].end - keys_[index].begin)));
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

bool Encoder::key_and_value(PyObject* key, PyObject* value) {
  const std::size_t begin = writer_.size();
  if (is_plain(key)) {
    if (!fits(2) || !term(key)) return false;
    keys_.push_back({begin, writer_.size()});
    return term(value);
  }
  const PyRef value_alive = PyRef::share(value);  // converting the key may drop the entry
  if (!fits(2) || !term(key)) return false;
  keys_.push_back({begin, writer_.size()});
  return term(value);
}

bool Encoder::dict(PyObject* object) {
  const Py_ssize_t count = PyDict_Size(object);
  if (!fits(static_cast<std::size_t>(count) * 2 + 5)) return false;
  writer_.map(static_cast<std::uint32_t>(count));
  const std::size_t first = keys_.size();
  bool all_plain = true;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t written = 0;
  for (Py_ssize_t at = 0; written < count && PyDict_Next(object, &at, &key, &value) != 0;
       ++written) {
    all_plain = all_plain && is_plain(key);
    if (!key_and_value(key, value)) return false;
  }
  if (written != count || PyDict_Size(object) != count) {
    PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during conversion");
    return false;
  }
  if (!all_plain && keys_collide(first)) {
    PyErr_SetString(PyExc_ValueError, "keys of a dict collide in Erlang (as 'a' and b'a' do)");
    return false;
  }
  keys_.resize(first);
  return true;
}

}  // namespace pyport::py
