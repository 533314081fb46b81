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
  const rlimit both{value, value};
  if (::setrlimit(resource, &both) != 0) return os_error(what);
  return Done{};
}

struct Memory {
  std::uint64_t address_space_bytes = 0;
  std::uint64_t resident_bytes = 0;
};

// Zeros when the system does not tell.
Memory read_memory() noexcept {
  const UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return {};
  char text[128] = {};
  if (::read(file.get(), text, sizeof text - 1) <= 0) return {};
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (std::sscanf(text, "%llu %llu", &total, &resident) != 2) return {};
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return {total * page, resident * page};
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

Result<Done> enter_process() {
  const pid_t parent = ::getppid();
  tune_heap();
  reset_signals();
  if (::setpgid(0, 0) != 0 && errno != EPERM) return os_error("setpgid");
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return os_error("PR_SET_PDEATHSIG");
  // The parent may have died before the request above took effect.
  if (::getppid() != parent) kill_process_group();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return os_error("PR_SET_NO_NEW_PRIVS");
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

std::uint64_t resident_bytes() noexcept { return read_memory().resident_bytes; }

Result<Done> limit_process(std::uint64_t memory_bytes, std::uint64_t cpu_s) {
  if (memory_bytes != 0) {
    const Memory now = read_memory();
    if (memory_bytes <= now.resident_bytes) {
      return Error{Errc::usage,
                   "--memory-limit=" + std::to_string(memory_bytes) + ": Python alone uses " +
                       std::to_string(now.resident_bytes) + " bytes"};
    }
    const std::uint64_t room = memory_bytes - now.resident_bytes;
    PYPORT_TRY([[maybe_unused]] auto done,
               limit(RLIMIT_AS, "RLIMIT_AS", now.address_space_bytes + room));
  }
  if (cpu_s == 0) return Done{};
  return limit(RLIMIT_CPU, "RLIMIT_CPU", cpu_s);
}

unsigned usable_cpus() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

}  // namespace pyport
