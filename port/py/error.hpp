// Python exceptions on their way to Erlang, and the scope that protects a pending one.
#pragma once

#include "core/bytes.hpp"
#include "py/ref.hpp"

namespace pyport::py {

// Sets the pending exception aside, and puts it back at the end (over one that came up meanwhile).
// Hold it around any C API call made while an exception may be pending.
class ErrorScope {
 public:
  ErrorScope() noexcept PYPORT_REQUIRES(gil);
  ~ErrorScope() PYPORT_REQUIRES(gil);
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;

 private:
#if PY_VERSION_HEX >= 0x030C0000
  PyObject* raised_ = nullptr;
#else
  PyObject* type_ = nullptr;
  PyObject* value_ = nullptr;
  PyObject* traceback_ = nullptr;
#endif
};

// The pending exception as an object with its __traceback__ set; nothing is pending afterwards.
// Null when nothing was pending.
[[nodiscard]] PyRef take_exception() PYPORT_REQUIRES(gil);

// simple: {Type, Message, Traceback}; cheap, the traceback is walked here.
// detailed: the map with notes and causes; the `traceback` module formats it.
enum class ErrorForm { simple, detailed };

// Takes the pending exception (which is then cleared) and appends the term of EXCEPTION, version
// byte included (docs/protocol.md). Never fails and leaves no exception behind: what cannot be
// rendered is replaced by a text that says so, what is too long is cut at its limit. Runs Python
// code (__str__), so a KeyboardInterrupt that arrives meanwhile is swallowed: map interrupts first.
// REQUIRES: an exception is pending.
void encode_exception(Bytes& out, ErrorForm form) PYPORT_REQUIRES(gil);

}  // namespace pyport::py
