// The methods of Channel and ByteChannel that channel.cpp puts into its tables, by file. Each is
// what CPython calls: with the GIL, a new reference or null with an exception set.
#pragma once

#include <optional>

#include "py/types/channel.hpp"
#include "py/types/method.hpp"
#include "sys/clock.hpp"

namespace pyport::py::channel_methods {

[[nodiscard]] inline ChannelObject& object_of(PyObject* self) noexcept {
  return *reinterpret_cast<ChannelObject*>(self);
}
[[nodiscard]] inline store::Channel& store_of(PyObject* self) noexcept {
  return *object_of(self).channel;
}
// Made by _test_create: Erlang does not know it.
[[nodiscard]] inline bool is_test(const store::Channel& channel) noexcept {
  return channel.reference().empty();
}
[[nodiscard]] inline bool is_terms(const store::Channel& channel) noexcept {
  return channel.options().kind == store::ChannelKind::terms;
}

// --- channel_arguments.cpp ---

// How long a method may block.
struct Patience {
  bool at_once = false;
  TimePoint until = kNever;
};
inline constexpr Py_ssize_t kTimeoutMsMax = 0xffff'ffff;  // as in Erlang
// The `timeout_ms` of a method; null (not given) leaves `patience` as it is.
[[nodiscard]] bool to_patience(const char* method, PyObject* object, Patience& patience)
    PYPORT_REQUIRES(gil);
// Sets an OSError in a forked child.
[[nodiscard]] bool forked() PYPORT_REQUIRES(gil);
// Sets ChannelClosed or ByteChannelClosed; null.
PyObject* raise_closed(const store::Channel& channel) PYPORT_REQUIRES(gil);

// --- channel_receive.cpp ---
PyObject* receive(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* receive_bytes(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* try_receive(PyObject* self, PyObject* none) noexcept;
PyObject* next_message(PyObject* self) noexcept;
PyObject* try_receive_or(PyObject* self, PyObject* otherwise) noexcept;

// --- channel_send.cpp ---
PyObject* send(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;
PyObject* try_send(PyObject* self, PyObject* term) noexcept;
PyObject* send_bytes(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept;

// --- channel_async.cpp ---
PyObject* async_receive(PyObject* self, PyObject* none) noexcept;
PyObject* next_message_async(PyObject* self) noexcept;
PyObject* add_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept;
PyObject* forget_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept;

// --- channel_test_side.cpp: Erlang's side, for tests ---
PyObject* test_create(PyObject* type, PyObject* arguments, PyObject* names) noexcept;
PyObject* test_put(PyObject* self, PyObject* message) noexcept;
PyObject* test_end(PyObject* self, PyObject* none) noexcept;
PyObject* test_take(PyObject* self, PyObject* up_to) noexcept;
PyObject* test_sent(PyObject* self, PyObject* none) noexcept;

}  // namespace pyport::py::channel_methods
