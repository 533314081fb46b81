// erlang.Ref: an Erlang reference.
#include "py/types/opaque.hpp"

namespace pyport::py {

namespace {

constexpr const char* kDoc =
    "An Erlang reference.\n\n"
    "Opaque: comes from Erlang and goes back unchanged. Equal and hashable, not ordered.";

PyObject* ref_repr(PyObject* self) noexcept {
  return PyUnicode_FromFormat("<erlang.Ref size=%zd>", Py_SIZE(self));
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(kDoc)},
    {Py_tp_dealloc, reinterpret_cast<void*>(opaque_dealloc)},
    {Py_tp_hash, reinterpret_cast<void*>(opaque_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(opaque_compare)},
    {Py_tp_repr, reinterpret_cast<void*>(ref_repr)},
    {Py_tp_methods, opaque_methods},
    {0, nullptr},
};
PyType_Spec spec{"erlang.Ref", sizeof(Opaque), 1, kOpaqueFlags, slots};

}  // namespace

PyType_Spec& ref_spec() noexcept {
  return spec;
}

}  // namespace pyport::py
