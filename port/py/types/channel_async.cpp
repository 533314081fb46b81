// Channel and ByteChannel: what asyncio uses. The coroutines themselves are Python, in
// erlang._async; here is what they call, and how to get at them.
#include "py/types/channel_methods.hpp"
#include "py/types/notifier.hpp"

namespace pyport::py::channel_methods {
namespace {

// The coroutine erlang._async.<name>(self).
[[nodiscard]] PyObject* coroutine(const char* name, PyObject* self) PYPORT_REQUIRES(gil) {
  const PyRef function = PyRef::steal(async_function(name));
  return function ? PyObject_CallOneArg(function.get(), self) : nullptr;
}

}  // namespace

PyObject* async_receive(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return coroutine("receive", self);
}

PyObject* next_message_async(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  return coroutine("next_message", self);
}

// _add_waiter(notifier, token, need, size): a wait for a channel is always for one message.
PyObject* add_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  std::uint64_t token = 0;
  if (!takes("_add_waiter", 4, count) || !to_unsigned(values[1], token) || forked()) return nullptr;
  const NotifierObject* const notifier = to_notifier(values[0]);
  if (notifier == nullptr) return nullptr;
  store_of(self).add_waiter(notifier->notifier, token);
  return keep(Py_None);
}

// _forget_waiter(notifier, token)
PyObject* forget_waiter(PyObject* self, Vector values, Py_ssize_t count) noexcept
    PYPORT_REQUIRES(gil) {
  std::uint64_t token = 0;
  if (!takes("_forget_waiter", 2, count) || !to_unsigned(values[1], token)) return nullptr;
  const NotifierObject* const notifier = to_notifier(values[0]);
  if (notifier == nullptr) return nullptr;
  if (in_forked_child()) return keep(Py_None);
  store::Channel& channel = store_of(self);
  if (!channel.forget_waiter(*notifier->notifier, token)) channel.pass_on();
  return keep(Py_None);
}

}  // namespace pyport::py::channel_methods
