// What Pid, Ref, Fun, Port and Atom have in common: immutable bytes of one external term, compared
// and hashed by these bytes. Python code can neither make nor subclass them.
#pragma once

#include <array>
#include <cstdint>

#include "core/bytes.hpp"
#include "py/ref.hpp"

namespace pyport::py {

enum class OpaqueKind : std::uint8_t { pid, ref, fun, port, atom };
inline constexpr std::size_t kOpaqueKindCount = 5;

// The memory of an instance; the bytes of the term follow it directly.
struct Opaque {
  PyVarObject head;
  Py_hash_t hash;
};

// One owned type object per kind.
struct OpaqueTypes {
  std::array<PyTypeObject*, kOpaqueKindCount> types{};

  [[nodiscard]] PyTypeObject* at(OpaqueKind kind) const noexcept {
    return types[static_cast<std::size_t>(kind)];
  }
  // Makes all types. False: a Python exception is set.
  [[nodiscard]] bool open() PYPORT_REQUIRES(gil);
  void close() PYPORT_REQUIRES(gil);
  [[nodiscard]] bool contains(PyObject* object) const noexcept {
    for (PyTypeObject* type : types)
      if (Py_TYPE(object) == type) return true;
    return false;
  }
};

// A new object around a copy of the term (no version byte). Null: a Python exception is set.
[[nodiscard]] PyObject* make_opaque(PyTypeObject* type, ByteView term) PYPORT_REQUIRES(gil);

// The term inside; lives as long as the object. REQUIRES: an object of one of the types.
[[nodiscard]] ByteView opaque_term(PyObject* object) noexcept;

// Shared slots.
void opaque_dealloc(PyObject* self) noexcept;
[[nodiscard]] Py_hash_t opaque_hash(PyObject* self) noexcept;
[[nodiscard]] PyObject* opaque_compare(PyObject* self, PyObject* other, int operation) noexcept;
[[nodiscard]] PyObject* opaque_repr_hash(PyObject* self) noexcept;  // <erlang.Pid 0x...>
extern PyMethodDef opaque_methods[];                                // __copy__, __deepcopy__

// `slots` of one kind, each in a file of its own.
[[nodiscard]] PyType_Spec& pid_spec() noexcept;
[[nodiscard]] PyType_Spec& ref_spec() noexcept;
[[nodiscard]] PyType_Spec& fun_spec() noexcept;
[[nodiscard]] PyType_Spec& port_spec() noexcept;
[[nodiscard]] PyType_Spec& atom_spec() noexcept;

inline constexpr unsigned kOpaqueFlags =
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE;

}  // namespace pyport::py
