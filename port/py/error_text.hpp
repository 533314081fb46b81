// Texts about an exception, for error.cpp. None of these functions fails or leaves an exception
// pending: what cannot be had is replaced by words that say so. Always valid UTF-8.
#pragma once

#include <string>

#include "py/ref.hpp"

namespace pyport::py {

// The class name, without its module.
[[nodiscard]] std::string error_type(PyObject* exception) PYPORT_REQUIRES(gil);
// str(exception), at most kErrorMessageBytesMax; lone surrogates become '?'.
[[nodiscard]] std::string error_message(PyObject* exception) PYPORT_REQUIRES(gil);
// As Python prints it, without source lines; only the outer and the inner frames of a deep one.
[[nodiscard]] std::string error_traceback(PyObject* exception) PYPORT_REQUIRES(gil);
// What traceback.format_exception gives for this exception alone, else error_traceback().
[[nodiscard]] std::string error_traceback_detailed(PyObject* exception) PYPORT_REQUIRES(gil);
// A str as UTF-8 of at most `bytes_max`. Takes the reference. `otherwise`: it is null, or no str.
[[nodiscard]] std::string text_of(PyObject* text, std::size_t bytes_max, const char* otherwise)
    PYPORT_REQUIRES(gil);

}  // namespace pyport::py
