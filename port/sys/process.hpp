// The process as a whole: what is set up before anything else runs, and how it ends.
//
// Linux only, behind names that say what is meant (PR_SET_PDEATHSIG and the like).
#pragma once

#include <cstdint>

#include "core/result.hpp"

namespace pyport {

// Exit codes of the program; docs/protocol.md lists them.
enum class Exit : std::uint8_t {
  done = 0,
  usage = 64,
  protocol = 65,
  no_python = 69,
  os_error = 71,
};

// REQUIRES: no thread has been started. Makes the process the leader of a group of its own, asks
// the kernel to kill it with its parent, gives up new privileges, resets signal dispositions and
// the signal mask that the parent left, tunes the heap.
enum class Memory { unlimited, limited };
Result<Done> enter_process(Memory memory);

// From now on the process may use `cpu_s` seconds of CPU time in all, and grow to `memory_bytes`
// of resident memory: its address space may grow by what that leaves, so that Python gets a
// MemoryError before anything worse happens. 0: no limit. Called when CPython has started, whose
// reserved address space is several times its memory.
//
// The standby thread ends the process when its resident memory exceeds the limit by
// kResidentSlackBytes: pages that were mapped before, code above all, count as they are touched.
inline constexpr std::uint64_t kResidentSlackBytes = 32U << 20;
Result<Done> limit_process(std::uint64_t memory_bytes, std::uint64_t cpu_s);

// Kills every process of the group and so this one. Any thread; also while Python loops in C.
[[noreturn]] void kill_process_group() noexcept;

// Ends this process at once with a documented code, without destructors: other threads may be
// inside Python for ever. Kills the rest of the group first.
[[noreturn]] void exit_process(Exit code) noexcept;

// Resident memory of this process in bytes, 0 when the system does not tell.
std::uint64_t resident_bytes() noexcept;

// Processors this process may use.
unsigned usable_cpus() noexcept;

}  // namespace pyport
