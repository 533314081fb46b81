// CPython's start. It is never finalised: the process ends as a whole (sys/process.hpp), because
// another thread may be inside Python for ever.
#pragma once

#include <string>
#include <vector>

#include "core/result.hpp"
#include "link/session.hpp"
#include "py/gil.hpp"
#include "sys/clock.hpp"

namespace pyport::py {

struct InterpreterOptions {
  std::string executable;                // decides sys.executable, sys.prefix and site-packages
  std::string library;                   // the directory that holds the package `erlang`
  std::vector<std::string> python_path;  // put at the front of sys.path, in order
  microseconds switch_interval{500};
};

// Starts CPython on this thread, which becomes Python's main thread and holds the GIL. An error
// says what CPython said.
Result<Done> start_interpreter(const InterpreterOptions& options);

// sys.version, sys.version_info.
[[nodiscard]] link::HostFacts python_facts() PYPORT_REQUIRES(gil);

// A state for the calling thread, attached to the main interpreter. Each thread once; without the
// GIL.
[[nodiscard]] PyThreadState* new_thread_state();

// Drops the state that the calling thread holds the GIL with, and the GIL.
void drop_thread_state(PyThreadState* thread);

}  // namespace pyport::py
