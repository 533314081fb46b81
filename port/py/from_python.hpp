// Python objects to Erlang terms (docs/types.md). All functions need the GIL; a failure is false
// with a Python exception set, and `out` is then as long as it was before.
//
// Encoding may run Python code (__str__, tolist, an iterator of a dict subclass): the caller holds
// no lock, and keeps the object alive.
#pragma once

#include <cstddef>

#include "core/bytes.hpp"
#include "core/limits.hpp"
#include "py/ref.hpp"

namespace pyport::py {

// How typed and n-dimensional buffers (numpy, array) are written: as (nested) lists, or as
// {ndarray, Dtype, Shape, Binary}.
enum class Arrays { lists, binary };

struct EncodeOptions {
  Arrays arrays = Arrays::lists;
  std::size_t term_bytes_max = limits::kTermBytesMaxDefault;  // beyond it: ValueError
};

// Appends one term without the version byte.
[[nodiscard]] bool from_python(PyObject* object, Bytes& out, const EncodeOptions& options = {})
    PYPORT_REQUIRES(gil);

// The same behind the version byte: what a message carries.
[[nodiscard]] bool encode_term(PyObject* object, Bytes& out, const EncodeOptions& options = {})
    PYPORT_REQUIRES(gil);

}  // namespace pyport::py
