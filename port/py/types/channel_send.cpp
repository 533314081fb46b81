// Channel and ByteChannel: what sends to Erlang. A message is encoded before a place is taken for
// it, so what cannot be encoded leaves nothing behind.
#include "py/blocking.hpp"
#include "py/conversion_state.hpp"
#include "py/from_python.hpp"
#include "py/outgoing_message.hpp"
#include "py/types/channel_methods.hpp"
#include "wire/message.hpp"

namespace pyport::py::channel_methods {
namespace {

using Room = store::Channel::Room;
enum class Sent { yes, full, closed, error };

void begin_message(Bytes& message, const store::Channel& channel) {
  wire::put_answer_header(message, wire::Op::channel_message, channel.number());
}

[[nodiscard]] std::size_t size_of(const Bytes& message) noexcept {
  return message.size() - wire::kControlHeaderBytes;
}

// REQUIRES: room was taken.
void give(ChannelObject& object, const Bytes& message) PYPORT_REQUIRES(gil) {
  if (is_test(*object.channel)) [[unlikely]]
    object.test_sent.emplace_back(message.begin() + wire::kControlHeaderBytes, message.end());
  else
    send_out(message);
  object.channel->sent();
}

[[nodiscard]] Sent refuse_too_large(const store::Channel& channel, std::size_t size)
    PYPORT_REQUIRES(gil) {
  const std::uint64_t max = channel.options().bytes_max;
  const bool by_channel = max != 0 && size > max;
  PyErr_Format(PyExc_ValueError,
               by_channel ? "a message of %zu bytes never fits into this channel: its max_size is "
                            "%llu"
                          : "a message of %zu bytes never fits into any channel: with what it "
                            "costs besides, it exceeds channel_bytes_max, which is %llu",
               size,
               static_cast<unsigned long long>(by_channel ? max : channel.budget_bytes_max()));
  return Sent::error;
}

[[nodiscard]] Sent transmit(ChannelObject& object, const Bytes& message, const Patience& patience)
    PYPORT_REQUIRES(gil) {
  store::Channel& channel = *object.channel;
  const std::size_t size = size_of(message);
  switch (channel.take_room(size)) {
    case Room::taken:
      return give(object, message), Sent::yes;
    case Room::closed:
      return Sent::closed;
    case Room::too_large:
      return refuse_too_large(channel, size);
    case Room::full:
      break;
  }
  if (patience.at_once) return Sent::full;
  store::Channel::RoomTurn turn(channel, size, this_sleep());
  const auto waited = block_in_line(patience.until, turn, [] {});
  if (!waited) return Sent::error;
  if (*waited == store::Wait::timed_out) return Sent::full;
  if (*waited == store::Wait::ended || turn.take() == Room::closed) return Sent::closed;
  return give(object, message), Sent::yes;
}

[[nodiscard]] Sent send_term(PyObject* self, PyObject* term, const Patience& patience)
    PYPORT_REQUIRES(gil) {
  if (forked()) return Sent::error;
  OutgoingMessage message;
  begin_message(message.bytes(), store_of(self));
  if (!encode_term(term, message.bytes(), {Arrays::lists, conversions.message_bytes_max}))
    return Sent::error;
  return transmit(object_of(self), message.bytes(), patience);
}

// Bytes in one piece or not.
[[nodiscard]] bool put_data(PyObject* data, Bytes& message) PYPORT_REQUIRES(gil) {
  if (PyBytes_Check(data) == 0 && PyByteArray_Check(data) == 0 && PyMemoryView_Check(data) == 0) {
    PyErr_SetString(PyExc_TypeError, "data must be bytes, bytearray, or memoryview");
    return false;
  }
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_FULL_RO) != 0) return false;
  const auto size = static_cast<std::size_t>(view.len);
  bool ok = size <= conversions.message_bytes_max;
  if (ok) {
    const std::size_t at = message.size();
    message.resize(at + size);
    ok = size == 0 || PyBuffer_ToContiguous(message.data() + at, &view, view.len, 'C') == 0;
  } else {
    PyErr_Format(PyExc_ValueError,
                 "a message of %zu bytes is too large for Erlang: limit %zu",
                 size,
                 conversions.message_bytes_max);
  }
  PyBuffer_Release(&view);
  return ok;
}

[[nodiscard]] Sent send_data(PyObject* self, PyObject* data, const Patience& patience)
    PYPORT_REQUIRES(gil) {
  if (forked()) return Sent::error;
  OutgoingMessage message;
  begin_message(message.bytes(), store_of(self));
  if (!put_data(data, message.bytes())) return Sent::error;
  return transmit(object_of(self), message.bytes(), patience);
}

// `what` to send, and how long it may wait for room.
[[nodiscard]] bool take_message(const char* method,
                                const Arguments& arguments,
                                PyObject*& what,
                                Patience& patience) PYPORT_REQUIRES(gil) {
  PyObject* timeout = nullptr;
  if (!take_optional(method, 1, "timeout_ms", arguments, timeout)) return false;
  what = arguments.values[0];
  return to_patience(method, timeout, patience);
}

}  // namespace

PyObject* send(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  PyObject* term = nullptr;
  Patience patience;
  if (!take_message("send", {values, count, names}, term, patience)) return nullptr;
  switch (send_term(self, term, patience)) {
    case Sent::yes:
      return keep(Py_None);
    case Sent::full:
      PyErr_SetString(PyExc_TimeoutError, "channel send timeout");
      return nullptr;
    case Sent::closed:
      return raise_closed(store_of(self));
    default:
      return nullptr;
  }
}

PyObject* try_send(PyObject* self, PyObject* term) noexcept PYPORT_REQUIRES(gil) {
  switch (send_term(self, term, {.at_once = true})) {
    case Sent::yes:
      return keep(Py_True);
    case Sent::full:
      return keep(Py_False);
    case Sent::closed:
      return raise_closed(store_of(self));
    default:
      return nullptr;
  }
}

PyObject* send_bytes(PyObject* self, Vector values, Py_ssize_t count, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  PyObject* data = nullptr;
  Patience patience{.at_once = true};
  if (!take_message("send_bytes", {values, count, names}, data, patience)) return nullptr;
  switch (send_data(self, data, patience)) {
    case Sent::yes:
      return keep(Py_True);
    case Sent::full:
      PyErr_SetString(PyExc_RuntimeError, "channel busy (backpressure)");
      return nullptr;
    case Sent::closed:
      PyErr_SetString(PyExc_RuntimeError, "channel closed");
      return nullptr;
    default:
      return nullptr;
  }
}

}  // namespace pyport::py::channel_methods
