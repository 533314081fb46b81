#include "sys/process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/fd.hpp"

namespace pyport {
namespace {

Error os_error(const char* what) {
  return Error{Errc::os, std::string(what) + ": " + std::strerror(errno)};
}

Result<Done> limit(__rlimit_resource resource, const char* what, std::uint64_t value) {
  if (value == 0) return Done{};
  const rlimit both{value, value};
  if (::setrlimit(resource, &both) != 0) return os_error(what);
  return Done{};
}

void reset_signals() noexcept {
  for (int number = 1; number < NSIG; ++number)
    ::signal(number, SIG_DFL);  // fails for SIGKILL and SIGSTOP, which have no other disposition
  ::signal(SIGPIPE, SIG_IGN);   // a broken link is an error value, not a death
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Large messages come and go: keep their pages instead of faulting them in each time, and do not
// spread them over one heap a thread.
void tune_heap() noexcept {
  ::mallopt(M_MMAP_THRESHOLD, 64 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  ::mallopt(M_ARENA_MAX, 2);
}

}  // namespace

Result<Done> enter_process(const ProcessLimits& limits) {
  const pid_t parent = ::getppid();
  tune_heap();
  reset_signals();
  if (::setpgid(0, 0) != 0 && errno != EPERM) return os_error("setpgid");
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return os_error("PR_SET_PDEATHSIG");
  // The parent may have died before the request above took effect.
  if (::getppid() != parent) kill_process_group();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return os_error("PR_SET_NO_NEW_PRIVS");
  PYPORT_TRY([[maybe_unused]] auto memory, limit(RLIMIT_AS, "RLIMIT_AS", limits.memory_bytes));
  PYPORT_TRY([[maybe_unused]] auto cpu, limit(RLIMIT_CPU, "RLIMIT_CPU", limits.cpu_s));
  // A core dump of Python helps nobody by default and can take longer than the restart.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  return Done{};
}

void kill_process_group() noexcept {
  if (::getpgrp() == ::getpid()) ::kill(0, SIGKILL);
  ::kill(::getpid(), SIGKILL);
  ::_exit(static_cast<int>(Exit::os_error));  // not reached
}

void exit_process(Exit code) noexcept {
  const pid_t self = ::getpid();
  if (::getpgrp() == self) {
    // Leaving the group first is the only way to kill the rest of it and keep an exit code.
    if (::setpgid(0, ::getpgid(::getppid())) != 0) kill_process_group();
    ::kill(-self, SIGKILL);
  }
  ::_exit(static_cast<int>(code));
}

std::uint64_t resident_bytes() noexcept {
  const UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return 0;
  char text[128] = {};
  if (::read(file.get(), text, sizeof text - 1) <= 0) return 0;
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (std::sscanf(text, "%llu %llu", &total, &resident) != 2) return 0;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

unsigned usable_cpus() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

}  // namespace pyport
