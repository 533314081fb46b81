#include "sys/process.hpp"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <new>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/fd.hpp"
#include "sys/log.hpp"
#include "sys/os_error.hpp"

namespace pyport {
namespace {

Result<Done> limit(__rlimit_resource resource, const char* what, std::uint64_t value) {
  const rlimit both{value, value};
  if (::setrlimit(resource, &both) != 0) return os_error(what);
  return Done{};
}

// Memory for a message or its answer; what Python itself does not get is a MemoryError.
[[noreturn]] void out_of_memory() {
  log_line("out of memory");
  std::abort();
}

struct MemoryUse {
  std::uint64_t address_space_bytes = 0;
  std::uint64_t resident_bytes = 0;
};

// Zeros when the system does not tell.
MemoryUse read_memory() noexcept {
  const UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return {};
  char text[128];
  const ssize_t length = ::read(file.get(), text, sizeof text);
  if (length <= 0) return {};
  const char* const end = text + length;
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  const auto first = std::from_chars(text, end, total);
  if (first.ec != std::errc() || first.ptr == end) return {};
  if (std::from_chars(first.ptr + 1, end, resident).ec != std::errc()) return {};
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return {total * page, resident * page};
}

// The signal that stands for the death of the parent: one that nobody uses, because it is not
// SIGKILL but a handler, which takes the group along.
int parent_died_signal() noexcept {
  return SIGRTMAX - 1;
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
// spread them over one heap a thread. A heap beside the first reserves address space ahead, which a
// memory limit would not notice being filled.
void tune_heap(Memory memory) noexcept {
  ::mallopt(M_MMAP_THRESHOLD, 64 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  ::mallopt(M_ARENA_MAX, memory == Memory::limited ? 1 : 2);
}

}  // namespace

Result<Done> enter_process(Memory memory) {
  const pid_t parent = ::getppid();
  tune_heap(memory);
  std::set_new_handler(out_of_memory);
  reset_signals();
  // Under ERTS this process leads a session, and so a group, already.
  if (::setpgid(0, 0) != 0 && errno != EPERM) return os_error("setpgid");
  struct sigaction parent_died = {};
  parent_died.sa_handler = [](int) { kill_process_group(); };
  if (::sigaction(parent_died_signal(), &parent_died, nullptr) != 0) return os_error("sigaction");
  if (::prctl(PR_SET_PDEATHSIG, parent_died_signal()) != 0) return os_error("PR_SET_PDEATHSIG");
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
  // Two threads may find the link broken at once; the second waits for the end.
  static std::atomic_flag ending = ATOMIC_FLAG_INIT;
  while (ending.test_and_set())
    ::pause();
  // A process cannot kill its group without itself and keep its exit code, and the leader of a
  // session cannot leave it. A child can: it waits in a group of its own until we are gone.
  const pid_t group = ::getpid();
  if (::getpgrp() != group) ::_exit(static_cast<int>(code));
  // Not fork(): what libraries do then may wait for locks that other threads hold.
  const pid_t child = ::_Fork();
  if (child == 0) {
    ::setpgid(0, 0);
    // Fails when the process is gone already.
    const auto process = static_cast<int>(::syscall(SYS_pidfd_open, group, 0));
    pollfd ended{process, POLLIN, 0};
    while (process >= 0 && ::poll(&ended, 1, -1) < 0 && errno == EINTR) {
    }
    ::kill(-group, SIGKILL);
  } else if (child > 0) {
    // Not before it has left the group that it is going to kill.
    ::setpgid(child, child);
  }
  ::_exit(static_cast<int>(code));
}

std::uint64_t resident_bytes() noexcept {
  return read_memory().resident_bytes;
}

Result<Done> limit_process(std::uint64_t memory_bytes, std::uint64_t cpu_s) {
  if (memory_bytes != 0) {
    const MemoryUse now = read_memory();
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
