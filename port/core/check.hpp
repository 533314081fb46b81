// PYPORT_CHECK(condition, values...): a programmer error ends the process, in release builds too.
// It prints file, line, expression and the values to stderr; the supervisor in the BEAM restarts
// us. What a peer, a user or the operating system can cause is never a check: it is a Result.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

namespace pyport {

template <class... Values>
[[noreturn]] void check_failed(const char* where, const char* what, const Values&... values) {
  std::ostringstream text;
  text << where << ": check failed: " << what;
  ((text << " | " << values), ...);
  text << '\n';
  std::fputs(text.str().c_str(), stderr);
  std::abort();
}

}  // namespace pyport

#define PYPORT_CHECK_TEXT_IMPL(x) #x
#define PYPORT_CHECK_TEXT(x) PYPORT_CHECK_TEXT_IMPL(x)
#define PYPORT_CHECK(condition, ...)                                   \
  do {                                                                 \
    if (!(condition)) [[unlikely]]                                     \
      ::pyport::check_failed(__FILE__ ":" PYPORT_CHECK_TEXT(__LINE__), \
                             #condition __VA_OPT__(, ) __VA_ARGS__);   \
  } while (false)
