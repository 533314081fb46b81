#include "sys/mapping.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "sys/fd.hpp"
#include "sys/os_error.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; older kernels answer EINVAL and pages come on demand
#endif

namespace pyport {

Mapping::~Mapping() {
  if (at_ != nullptr) ::munmap(at_, bytes_);
}

void Mapping::forget_pages(std::size_t from, std::size_t bytes) const noexcept {
  const std::size_t page = page_bytes();
  const std::size_t first = (from + page - 1) & ~(page - 1);
  const std::size_t end = (from + bytes) & ~(page - 1);
  if (first < end && end <= bytes_) ::madvise(at_ + first, end - first, MADV_DONTNEED);
}

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

Result<Mapping> map_twice(std::size_t bytes) {
  const UniqueFd memory(::memfd_create("pyport-ring", MFD_CLOEXEC));
  if (memory.get() < 0) return os_error("memfd_create");
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0) return os_error("ftruncate");
  void* const at = ::mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return os_error("mmap of " + std::to_string(2 * bytes) + " bytes");
  Mapping both(at, 2 * bytes);
  for (const std::size_t half : {std::size_t{0}, bytes}) {
    // The descriptor is not needed once the memory is mapped.
    if (::mmap(both.data() + half,
               bytes,
               PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED,
               memory.get(),
               0) == MAP_FAILED)
      return os_error("mmap of " + std::to_string(bytes) + " bytes");
  }
  ::madvise(both.data(), both.size(), MADV_POPULATE_WRITE);
  return both;
}

Result<Mapping> map_file(int fd, std::uint64_t offset, std::size_t bytes) {
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) return os_error("mmap of " + std::to_string(bytes) + " bytes of a file");
  return Mapping(at, bytes);
}

}  // namespace pyport
