// erlang.Atom: a name that becomes an atom in Erlang, where a str becomes a binary. Holds the
// encoded term, always UTF-8 with the shortest header, so that equal names are equal bytes.
#include "core/check.hpp"
#include "etf/cursor.hpp"
#include "py/types/opaque.hpp"

namespace pyport::py {

namespace {

constexpr const char* kDoc =
    "An Erlang atom, made by erlang.atom(name).\n\n"
    "str(a) is its name. Equal only to another Atom, never to a str; ordered by name. Atoms that\n"
    "arrive from Erlang are plain str.";

[[nodiscard]] std::string_view name_of(PyObject* self) noexcept {
  etf::Atom atom;
  PYPORT_CHECK(etf::Cursor(opaque_term(self)).take_atom(atom));
  return as_chars(atom.name);
}

PyObject* atom_str(PyObject* self) noexcept {
  const std::string_view name = name_of(self);
  return PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), nullptr);
}

PyObject* atom_repr(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  const PyRef name = PyRef::steal(atom_str(self));
  return name ? PyUnicode_FromFormat("<erlang.Atom %R>", name.get()) : nullptr;
}

// Not Py_RETURN_RICHCOMPARE: the macro's nested branches count as ours.
[[nodiscard]] bool holds(int order, int operation) noexcept {
  switch (operation) {
    case Py_LT:
      return order < 0;
    case Py_LE:
      return order <= 0;
    case Py_EQ:
      return order == 0;
    case Py_NE:
      return order != 0;
    case Py_GT:
      return order > 0;
    default:
      return order >= 0;
  }
}

PyObject* atom_compare(PyObject* self, PyObject* other, int operation) noexcept
    PYPORT_REQUIRES(gil) {
  if (Py_TYPE(self) != Py_TYPE(other)) return keep(Py_NotImplemented);
  // UTF-8 sorts as its code points do, and so does Erlang.
  return keep(holds(name_of(self).compare(name_of(other)), operation) ? Py_True : Py_False);
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(kDoc)},
    {Py_tp_dealloc, reinterpret_cast<void*>(opaque_dealloc)},
    {Py_tp_hash, reinterpret_cast<void*>(opaque_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(atom_compare)},
    {Py_tp_repr, reinterpret_cast<void*>(atom_repr)},
    {Py_tp_str, reinterpret_cast<void*>(atom_str)},
    {Py_tp_methods, opaque_methods},
    {0, nullptr},
};
PyType_Spec spec{"erlang.Atom", sizeof(Opaque), 1, kOpaqueFlags, slots};

}  // namespace

PyType_Spec& atom_spec() noexcept {
  return spec;
}

}  // namespace pyport::py
