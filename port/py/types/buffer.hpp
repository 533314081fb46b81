// erlang.PyBuffer: what a py_buffer of Erlang is in Python (docs/buffers.md). One object for each
// buffer while Python holds it, so that it is the same wherever the reference comes in.
#pragma once

#include <memory>

#include "core/bytes.hpp"
#include "py/ref.hpp"
#include "py/types/buffer_reader.hpp"
#include "store/buffer.hpp"

namespace pyport::py {

struct BufferObject {
  PyObject head;
  PyObject* weak_references;
  BufferReader reader;
};

[[nodiscard]] PyType_Spec& buffer_spec() noexcept;

// The PyBuffer of an Erlang reference (its external term, no version byte): a new reference. Null
// without an exception: it stands for no buffer. REQUIRES: conversions.buffers.
[[nodiscard]] PyObject* buffer_of_reference(ByteView reference) PYPORT_REQUIRES(gil);

// The reverse. Empty with a TypeError set: Erlang does not know it. REQUIRES: a PyBuffer.
[[nodiscard]] ByteView reference_of_buffer(PyObject* object) PYPORT_REQUIRES(gil);

// A new PyBuffer around a buffer.
[[nodiscard]] PyObject* make_buffer(std::shared_ptr<store::Buffer> buffer) PYPORT_REQUIRES(gil);

}  // namespace pyport::py
