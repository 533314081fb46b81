#include "py/to_process.hpp"

#include "py/blocking.hpp"
#include "py/from_python.hpp"
#include "py/outgoing_message.hpp"
#include "py/types/method.hpp"
#include "store/processes.hpp"
#include "wire/message.hpp"

namespace pyport::py {
namespace {

using State = store::Processes::State;

// Whether the process may be alive. The first message to it waits for what the BEAM says. False: an
// exception is set.
[[nodiscard]] bool check_alive(ByteView pid) PYPORT_REQUIRES(gil) {
  store::Processes& processes = *conversions.processes;
  for (;;) {
    const State state = processes.look(pid);
    if (state == State::alive) return true;
    if (state == State::dead) {
      PyErr_SetString(conversions.process_error, "Failed to send message: process may not exist");
      return false;
    }
    const auto slept = block_reading(
        kNever,
        [&processes, pid](
            store::InterruptPoint* point, TimePoint until, const std::shared_ptr<Sleep>& sleep) {
          return processes.wait(pid, until, point, sleep);
        });
    if (!slept) return false;
  }
}

[[nodiscard]] bool wait_for_room(std::size_t bytes) PYPORT_REQUIRES(gil) {
  store::Processes& processes = *conversions.processes;
  while (!processes.take_room(bytes)) {
    const auto slept = block_reading(
        kNever,
        [&processes](
            store::InterruptPoint* point, TimePoint until, const std::shared_ptr<Sleep>& sleep) {
          return processes.wait_for_room(until, point, sleep);
        });
    if (!slept) return false;
  }
  return true;
}

[[nodiscard]] bool send(const char* function, Vector values, Py_ssize_t count)
    PYPORT_REQUIRES(gil) {
  if (!takes(function, 2, count)) return false;
  PyObject* const pid = values[0];
  if (Py_TYPE(pid) != conversions.opaque.at(OpaqueKind::pid)) {
    PyErr_SetString(PyExc_TypeError, "First argument must be an erlang.Pid");
    return false;
  }
  if (conversions.processes == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "this interpreter has no link to Erlang");
    return false;
  }
  if (refused_in_forked_child("nothing can be sent from a child made by fork()")) return false;
  const ByteView to = opaque_term(pid);
  OutgoingMessage message;
  wire::put_send_header(message.bytes(), to);
  const std::size_t head_bytes = message.bytes().size() - wire::kControlHeaderBytes;
  const EncodeOptions options{Arrays::lists, conversions.message_bytes_max - head_bytes};
  if (!encode_term(values[1], message.bytes(), options) || !check_alive(to) ||
      !wait_for_room(message.bytes().size()))
    return false;
  send_out(message.bytes());
  return true;
}

}  // namespace

PyObject* send_to_process(PyObject* /*module*/, Vector values, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  return send("send", values, count) ? keep(Py_None) : nullptr;
}

PyObject* reply_to_process(PyObject* /*module*/, Vector values, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  return send("reply", values, count) ? keep(Py_True) : nullptr;
}

}  // namespace pyport::py
