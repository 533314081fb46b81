// One line to descriptor 2. The BEAM collects it, and keeps the last lines when the process dies.
#pragma once

#include <string_view>

namespace pyport {

// Any thread, any time, also in a process that is about to end. Writes `pyport: TEXT` and a
// newline with one system call, so that lines of several threads do not mix.
void log_line(std::string_view text) noexcept;

}  // namespace pyport
