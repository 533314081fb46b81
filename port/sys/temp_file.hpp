// Files without a name: nothing is left of them when the last descriptor and mapping are gone,
// however the process ends. Linux.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "sys/fd.hpp"

namespace pyport {

// Close-on-exec, at a high number.
Result<UniqueFd> open_temp_file(const std::string& directory);

// How many bytes were written; fewer than given when the file system is full or refuses (errno).
[[nodiscard]] std::size_t write_at(int fd, std::uint64_t offset, ByteView bytes) noexcept;

// Gives the blocks of a range back; it reads as zeros afterwards. False: the file system cannot.
[[nodiscard]] bool punch_hole(int fd, std::uint64_t offset, std::uint64_t bytes) noexcept;

}  // namespace pyport
