#include "py/conversion_state.hpp"

#include "py/types/buffer.hpp"
#include "py/types/channel.hpp"
#include "py/types/notifier.hpp"

namespace pyport::py {

namespace {

constexpr const char* kErrorDoc = "Root of the errors that the package erlang raises.";
constexpr const char* kProcessErrorDoc =
    "An Erlang process that was addressed does not exist (any more).";
constexpr const char* kChannelClosedDoc =
    "The channel was closed, and all its messages have been received.";
constexpr const char* kByteChannelClosedDoc =
    "The byte channel was closed, and all its messages have been received.";
constexpr const char* kSuspensionDoc =
    "Never raised. Exists for code that was written for bridges that replay Python code.";

// Makes an exception class unless it is there.
[[nodiscard]] bool make_class(PyObject*& slot, const char* name, const char* doc, PyObject* base)
    PYPORT_REQUIRES(gil) {
  if (slot == nullptr) slot = PyErr_NewExceptionWithDoc(name, doc, base, nullptr);
  return slot != nullptr;
}

[[nodiscard]] bool make_type(PyTypeObject*& slot, PyType_Spec& spec) PYPORT_REQUIRES(gil) {
  if (slot == nullptr) slot = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return slot != nullptr;
}

}  // namespace

bool ConversionState::open() {
  if (atoms == nullptr) atoms = PyDict_New();
  return atoms != nullptr && opaque.open() && make_type(buffer_type, buffer_spec()) &&
         make_type(channel_type, channel_spec()) &&
         make_type(byte_channel_type, byte_channel_spec()) &&
         make_type(notifier_type, notifier_spec()) &&
         make_class(error, "erlang.Error", kErrorDoc, PyExc_Exception) &&
         make_class(process_error, "erlang.ProcessError", kProcessErrorDoc, error) &&
         make_class(channel_closed, "erlang.ChannelClosed", kChannelClosedDoc, error) &&
         make_class(
             byte_channel_closed, "erlang.ByteChannelClosed", kByteChannelClosedDoc, error) &&
         make_class(
             suspension_required, "erlang.SuspensionRequired", kSuspensionDoc, PyExc_BaseException);
}

void ConversionState::close() {
  names.clear();
  for (PyObject** slot : {&atoms,
                          &error,
                          &process_error,
                          &channel_closed,
                          &byte_channel_closed,
                          &suspension_required,
                          &async_module})
    drop(std::exchange(*slot, nullptr));
  for (PyTypeObject** slot : {&buffer_type, &channel_type, &byte_channel_type, &notifier_type})
    drop(reinterpret_cast<PyObject*>(std::exchange(*slot, nullptr)));
  opaque.close();
}

}  // namespace pyport::py
