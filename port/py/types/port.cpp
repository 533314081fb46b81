// erlang.Port: the identity of an Erlang port.
#include "py/types/opaque.hpp"

namespace pyport::py {

namespace {

constexpr const char* kDoc =
    "Identity of an Erlang port.\n\n"
    "Opaque: comes from Erlang and goes back unchanged. Equal and hashable, not ordered.";

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(kDoc)},
    {Py_tp_dealloc, reinterpret_cast<void*>(opaque_dealloc)},
    {Py_tp_hash, reinterpret_cast<void*>(opaque_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(opaque_compare)},
    {Py_tp_repr, reinterpret_cast<void*>(opaque_repr_hash)},
    {Py_tp_methods, opaque_methods},
    {0, nullptr},
};
PyType_Spec spec{"erlang.Port", sizeof(Opaque), 1, kOpaqueFlags, slots};

}  // namespace

PyType_Spec& port_spec() noexcept {
  return spec;
}

}  // namespace pyport::py
