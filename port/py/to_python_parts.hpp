// The parts that to_python.cpp and arguments.cpp share; most of them hold no other terms.
#pragma once

#include "core/bytes.hpp"
#include "etf/cursor.hpp"
#include "py/ref.hpp"

namespace pyport::py {

// All return a new reference, or null with a Python exception set.

// The str, or the singleton, of an atom.
[[nodiscard]] PyObject* atom_to_python(const etf::Atom& atom) PYPORT_REQUIRES(gil);
// str when the bytes are UTF-8, else bytes.
[[nodiscard]] PyObject* binary_to_python(ByteView bytes) PYPORT_REQUIRES(gil);
// The same through the name cache, for keys.
[[nodiscard]] PyObject* key_to_python(ByteView bytes) PYPORT_REQUIRES(gil);
[[nodiscard]] PyObject* bytes_to_python(ByteView bytes) PYPORT_REQUIRES(gil);
// `digits` little-endian, as in SMALL_BIG and LARGE_BIG.
[[nodiscard]] PyObject* big_to_python(ByteView digits, bool negative) PYPORT_REQUIRES(gil);
// STRING_EXT: a list of small integers.
[[nodiscard]] PyObject* string_to_python(ByteView bytes) PYPORT_REQUIRES(gil);

// The name of an atom as a str, whatever it is (`true` too).
[[nodiscard]] PyObject* atom_name(const etf::Atom& atom) PYPORT_REQUIRES(gil);

// Takes an encoded map off the cursor, up to its end, as a dict whose keys are str; the two texts
// are those of the TypeError for no map, and for a key that is neither atom nor UTF-8 binary.
[[nodiscard]] PyRef decode_map_of_names(etf::Cursor& in,
                                        const char* map_error,
                                        const char* names_error) PYPORT_REQUIRES(gil);

}  // namespace pyport::py
