#include "py/name_cache.hpp"

namespace pyport::py {

PyObject* NameCache::insert(std::string_view name) {
  PyRef text = PyRef::steal(PyUnicode_New(static_cast<Py_ssize_t>(name.size()), 127));
  if (!text) return nullptr;
  std::memcpy(PyUnicode_1BYTE_DATA(text.get()), name.data(), name.size());
  if (PyObject_Hash(text.get()) == -1) return nullptr;  // a str keeps its hash
  // The one that was there first moves to the second slot and pushes out what stood there. Slots
  // are settled before the decref, though a str's has no side effects.
  const std::size_t index = index_of(name);
  PyObject* displaced = std::exchange(slots_[index ^ 1], slots_[index]);
  slots_[index] = keep(text.get());
  drop(displaced);
  return text.release();
}

void NameCache::clear() {
  for (PyObject*& slot : slots_)
    drop(std::exchange(slot, nullptr));
}

}  // namespace pyport::py
