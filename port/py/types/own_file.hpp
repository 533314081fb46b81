// erlang.buffers.BufferFile: a file object of Python's own on the storage of buffers.
#pragma once

#include "py/ref.hpp"

namespace pyport::py {

// The type, ready for the module. Null: a Python exception is set.
[[nodiscard]] PyRef make_own_file_type() PYPORT_REQUIRES(gil);

}  // namespace pyport::py
