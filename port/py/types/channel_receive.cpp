// Channel and ByteChannel: what takes messages. They are decoded by whoever takes them.
#include "py/blocking.hpp"
#include "py/conversion_state.hpp"
#include "py/to_python.hpp"
#include "py/to_python_parts.hpp"
#include "py/types/channel_methods.hpp"
#include "store/dropped.hpp"

namespace pyport::py::channel_methods {
namespace {

using Taken = store::Channel::Taken;

// An undecodable message is taken too: the next one is read by the next call.
[[nodiscard]] PyObject* to_message(const store::Channel& channel, const Taken& taken)
    PYPORT_REQUIRES(gil) {
  if (!is_terms(channel)) return bytes_to_python(taken.bytes);
  return decode_term(taken.bytes).release();
}

enum class Found { message, nothing, end, error };

[[nodiscard]] Found look(store::Channel& channel, Taken& taken) {
  auto found = channel.try_take();
  if (!found) {
    if (!channel.ended()) return Found::nothing;
    // A message may have come in between, with the end behind it.
    found = channel.try_take();
    if (!found) return Found::end;
  }
  taken = *std::move(found);
  return Found::message;
}

[[nodiscard]] Found await(store::Channel& channel, Taken& taken, TimePoint until)
    PYPORT_REQUIRES(gil) {
  store::Dropped* const dropped = conversions.dropped;
  // A request that only receives may run for ever: what its messages named is let go of here.
  const auto forget = [dropped] {
    if (dropped != nullptr && dropped->any()) dropped->forget();
  };
  store::Channel::Turn turn(channel, this_sleep());
  const auto waited = block_in_line(until, turn, forget);
  if (!waited) return Found::error;
  if (*waited == store::Wait::ended) return Found::end;
  if (*waited != store::Wait::ready) return Found::nothing;
  taken = turn.take();
  return Found::message;
}

// Null with an exception, or without one at the end of the channel.
[[nodiscard]] PyObject* take(PyObject* self, const Patience& patience) PYPORT_REQUIRES(gil) {
  if (forked()) return nullptr;
  store::Channel& channel = store_of(self);
  Taken taken;
  Found found = look(channel, taken);
  if (found == Found::nothing && !patience.at_once) found = await(channel, taken, patience.until);
  if (found == Found::message) return to_message(channel, taken);
  if (found == Found::nothing) PyErr_SetString(PyExc_TimeoutError, "channel receive timeout");
  return nullptr;
}

[[nodiscard]] PyObject* take_or_raise(const char* method,
                                      PyObject* self,
                                      const Arguments& arguments) PYPORT_REQUIRES(gil) {
  Patience patience;
  if (arguments.count != 0 || arguments.names != nullptr) {
    PyObject* timeout = nullptr;
    if (!take_optional(method, 0, "timeout_ms", arguments, timeout) ||
        !to_patience(method, timeout, patience))
      return nullptr;
  }
  PyObject* const message = take(self, patience);
  if (message == nullptr && PyErr_Occurred() == nullptr) return raise_closed(store_of(self));
  return message;
}

}  // namespace

PyObject* receive(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  return take_or_raise("receive", self, {values, count, names});
}

PyObject* receive_bytes(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  return take_or_raise("receive_bytes", self, {values, count, names});
}

PyObject* try_receive(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return try_receive_or(self, Py_None);
}

PyObject* next_message(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  return take(self, {});
}

PyObject* try_receive_or(PyObject* self, PyObject* otherwise) noexcept PYPORT_REQUIRES(gil) {
  if (forked()) return nullptr;
  store::Channel& channel = store_of(self);
  Taken taken;
  switch (look(channel, taken)) {
    case Found::message:
      return to_message(channel, taken);
    case Found::nothing:
      return keep(otherwise);
    default:
      return raise_closed(channel);
  }
}

}  // namespace pyport::py::channel_methods
