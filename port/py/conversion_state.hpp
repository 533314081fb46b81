// What the converters keep between calls: the opaque types, cached names, the atoms that Python
// made. One per process, under the GIL.
//
// Global, against the rule: CPython enters the slots and functions of `_erlang` without a pointer
// of ours, and there is one interpreter in the process.
#pragma once

#include <unordered_map>

#include "core/bytes.hpp"
#include "core/limits.hpp"
#include "py/name_cache.hpp"
#include "py/types/opaque.hpp"

namespace pyport::link {
class Outgoing;
}  // namespace pyport::link
namespace pyport::store {
class Buffer;
class Buffers;
class Channel;
class Channels;
class Dropped;
class Processes;
}  // namespace pyport::store

namespace pyport::py {

struct ConversionState {
  OpaqueTypes opaque;
  NameCache names;
  PyObject* atoms = nullptr;          // dict: name -> erlang.Atom; owned
  PyObject* error = nullptr;          // erlang.Error; owned, like the next four
  PyObject* process_error = nullptr;  // erlang.ProcessError
  PyObject* suspension_required = nullptr;
  PyObject* channel_closed = nullptr;
  PyObject* byte_channel_closed = nullptr;
  PyTypeObject* buffer_type = nullptr;   // erlang.PyBuffer; owned, like the next ones
  PyTypeObject* channel_type = nullptr;  // erlang.Channel
  PyTypeObject* byte_channel_type = nullptr;
  PyTypeObject* notifier_type = nullptr;  // _erlang.Notifier
  // The process's buffers; null in an interpreter without a link.
  store::Buffers* buffers = nullptr;
  store::Channels* channels = nullptr;  // the same
  store::Dropped* dropped = nullptr;    // what the BEAM has dropped of both
  // The same: processes that Python sends to, and what takes messages to the BEAM.
  store::Processes* processes = nullptr;
  link::Outgoing* outgoing = nullptr;
  // The PyBuffer of each buffer that Python holds; borrowed, its death takes it out.
  std::unordered_map<const store::Buffer*, PyObject*> buffer_objects;
  std::unordered_map<const store::Channel*, PyObject*> channel_objects;  // the same
  // What one message to the BEAM may have at most, behind its header.
  std::size_t message_bytes_max = limits::kTermBytesMaxDefault;
  Bytes message_memory;              // of OutgoingMessage
  PyObject* async_module = nullptr;  // erlang._async; owned, null until it is used

  // Makes what is missing. False: a Python exception is set.
  [[nodiscard]] bool open() PYPORT_REQUIRES(gil);
  void close() PYPORT_REQUIRES(gil);
};

// REQUIRES for conversions: open() succeeded and close() was not called.
inline ConversionState conversions PYPORT_GUARDED_BY(gil);

}  // namespace pyport::py
