// How the types of this folder fill their tables, and what their methods take for arguments.
#pragma once

#include <cstdint>

#include "py/ref.hpp"
#include "sys/descriptors.hpp"

namespace pyport::py {

// A function that takes a vector, as a table of methods has it.
template <class Function>
[[nodiscard]] PyCFunction as_function(Function* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

inline constexpr int kNamed = METH_FASTCALL | METH_KEYWORDS;

using Vector = PyObject* const*;

// What a vectorcall passes.
struct Arguments {
  PyObject* const* values;
  Py_ssize_t count;
  PyObject* names;  // a tuple of keyword names, or null
};

// These set a TypeError (OverflowError, ValueError) that names `method`; they are false then.

// Exactly so many, none by keyword.
[[nodiscard]] bool takes(const char* method, Py_ssize_t wanted, Py_ssize_t count)
    PYPORT_REQUIRES(gil);
// `required` ones by position, and perhaps one more, which may be given by the keyword `name`
// unless that is null. `found` is borrowed, null when it was not given.
[[nodiscard]] bool take_optional(const char* method,
                                 Py_ssize_t required,
                                 const char* name,
                                 const Arguments& arguments,
                                 PyObject*& found) PYPORT_REQUIRES(gil);
// An integer that counts bytes.
[[nodiscard]] bool to_count(PyObject* object, Py_ssize_t& count) PYPORT_REQUIRES(gil);
[[nodiscard]] bool to_unsigned(PyObject* object, std::uint64_t& number) PYPORT_REQUIRES(gil);

// `bool(object)` of what is true whatever it holds.
[[nodiscard]] inline int always_true_slot(PyObject* /*self*/) noexcept {
  return 1;
}

// erlang._async.<name>, a function that makes coroutines: a new reference.
[[nodiscard]] PyObject* async_function(const char* name) PYPORT_REQUIRES(gil);

// Sets an OSError (EPIPE) of that text in a child made by fork(): what it shares with its parent is
// not to be touched, mutexes may be held by threads that are not there.
[[nodiscard]] bool refuse_forked(const char* why) PYPORT_REQUIRES(gil);
[[nodiscard]] inline bool refused_in_forked_child(const char* why) PYPORT_REQUIRES(gil) {
  return in_forked_child() && refuse_forked(why);
}

}  // namespace pyport::py
