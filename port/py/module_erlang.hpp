// The built-in module `_erlang`, which the package `erlang` re-exports.
#pragma once

#include "py/ref.hpp"

namespace pyport::py {

// Adds `_erlang` to the built-in modules. Before Py_Initialize, once. False: out of memory.
[[nodiscard]] bool register_module();

// Imports `_erlang` and makes what the converters need (types, name cache). After Py_Initialize,
// before the first conversion. False: a Python exception is set.
[[nodiscard]] bool prepare_conversions() PYPORT_REQUIRES(gil);

// Drops every object that the converters hold. Before Py_FinalizeEx; nothing converts after it.
void release_conversions() PYPORT_REQUIRES(gil);

}  // namespace pyport::py
