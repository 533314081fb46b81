#include "sys/log.hpp"

#include <sys/uio.h>

namespace pyport {

void log_line(std::string_view text) noexcept {
  static constexpr std::string_view kPrefix = "pyport: ";
  const auto part = [](std::string_view bytes) {
    // writev only reads; its struct has no const form.
    return iovec{const_cast<char*>(bytes.data()), bytes.size()};
  };
  const iovec parts[] = {part(kPrefix), part(text), part("\n")};
  // Nowhere to report a failure to report.
  static_cast<void>(::writev(2, parts, 3));
}

}  // namespace pyport
