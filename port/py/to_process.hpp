// Messages from Python to processes of Erlang: erlang.send() and erlang.reply().
#pragma once

#include "py/ref.hpp"

namespace pyport::py {

// The functions of the module, as CPython calls them.
PyObject* send_to_process(PyObject* module, PyObject* const* values, Py_ssize_t count) noexcept;
PyObject* reply_to_process(PyObject* module, PyObject* const* values, Py_ssize_t count) noexcept;

inline constexpr const char* kSendDoc =
    "send(pid, term, /)\n--\n\n"
    "Sends a message to a process of Erlang, local or remote.\n\n"
    "Returns when it is on its way. The first message to a local process waits until Erlang has\n"
    "said whether it lives; later ones wait only while 4 MiB of messages are on their way. Raises\n"
    "TypeError (no erlang.Pid), erlang.ProcessError (a local process that has ended, as far as\n"
    "this side knows by now), and what a term that has no form in Erlang raises; nothing is sent\n"
    "then. Messages of one thread keep their order, also with those of Channel.send. Any thread;\n"
    "an interrupt ends a wait with KeyboardInterrupt. Raises OSError in a child made by fork().";
inline constexpr const char* kReplyDoc =
    "reply(pid, term, /)\n--\n\n"
    "send(pid, term), and returns True.";

}  // namespace pyport::py
