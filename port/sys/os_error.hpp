// What the operating system refused, as an Error.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "core/result.hpp"

namespace pyport {

// `what` was being done when errno was set.
[[nodiscard]] inline Error os_error(const std::string& what) {
  return Error{Errc::os, what + ": " + std::strerror(errno)};
}

}  // namespace pyport
