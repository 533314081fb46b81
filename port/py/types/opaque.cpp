#include "py/types/opaque.hpp"

#include <array>
#include <cstdio>
#include <functional>

#include "core/check.hpp"

namespace pyport::py {

namespace {

[[nodiscard]] std::uint8_t* payload(PyObject* object) noexcept {
  return reinterpret_cast<std::uint8_t*>(object) + sizeof(Opaque);
}

[[nodiscard]] Opaque* opaque(PyObject* object) noexcept {
  return reinterpret_cast<Opaque*>(object);
}

// An immutable object is its own copy.
PyObject* opaque_copy(PyObject* self, PyObject* /*memo*/) noexcept PYPORT_REQUIRES(gil) {
  return keep(self);
}

}  // namespace

PyMethodDef opaque_methods[] = {
    {"__copy__", opaque_copy, METH_NOARGS, "The object itself: it is immutable."},
    {"__deepcopy__", opaque_copy, METH_O, "The object itself: it is immutable."},
    {nullptr, nullptr, 0, nullptr},
};

bool OpaqueTypes::open() {
  PyType_Spec* const specs[] = {&pid_spec(), &ref_spec(), &fun_spec(), &port_spec(), &atom_spec()};
  static_assert(std::size(specs) == kOpaqueKindCount);
  for (std::size_t index = 0; index < kOpaqueKindCount; ++index) {
    if (types[index] != nullptr) continue;
    types[index] = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(specs[index]));
    if (types[index] == nullptr) return false;
  }
  return true;
}

void OpaqueTypes::close() {
  for (PyTypeObject*& type : types)
    drop(reinterpret_cast<PyObject*>(std::exchange(type, nullptr)));
}

PyObject* make_opaque(PyTypeObject* type, ByteView term) {
  PYPORT_CHECK(type != nullptr);
  PyObject* object = type->tp_alloc(type, static_cast<Py_ssize_t>(term.size()));
  if (object == nullptr) return nullptr;
  std::memcpy(payload(object), term.data(), term.size());
  const auto hash = static_cast<Py_hash_t>(std::hash<std::string_view>{}(as_chars(term)));
  opaque(object)->hash = hash == -1 ? -2 : hash;  // -1 tells CPython of an error
  return object;
}

ByteView opaque_term(PyObject* object) noexcept {
  return {payload(object), static_cast<std::size_t>(Py_SIZE(object))};
}

void opaque_dealloc(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  drop(reinterpret_cast<PyObject*>(type));  // an instance of a heap type owns its type
}

Py_hash_t opaque_hash(PyObject* self) noexcept {
  return opaque(self)->hash;
}

PyObject* opaque_compare(PyObject* self, PyObject* other, int operation) noexcept
    PYPORT_REQUIRES(gil) {
  if (Py_TYPE(self) != Py_TYPE(other) || (operation != Py_EQ && operation != Py_NE))
    return keep(Py_NotImplemented);
  const bool equal = as_chars(opaque_term(self)) == as_chars(opaque_term(other));
  return keep(equal == (operation == Py_EQ) ? Py_True : Py_False);
}

PyObject* opaque_repr_hash(PyObject* self) noexcept {
  // PyUnicode_FromFormat of Python 3.11 knows no %zx, and gives the rest of the format as it is.
  std::array<char, 17> digits{};
  std::snprintf(
      digits.data(), digits.size(), "%016zx", static_cast<std::size_t>(opaque(self)->hash));
  return PyUnicode_FromFormat("<%s 0x%s>", Py_TYPE(self)->tp_name, digits.data());
}

}  // namespace pyport::py
