#include "sys/temp_file.hpp"

#include <cerrno>
#include <cstdlib>

#include "sys/descriptors.hpp"
#include "sys/os_error.hpp"

namespace pyport {

namespace {

// For file systems without O_TMPFILE.
Result<UniqueFd> open_and_unlink(const std::string& directory) {
  std::string path = directory + "/pyport-XXXXXX";
  UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
  if (file.get() < 0) return os_error("a temporary file in " + directory);
  ::unlink(path.c_str());
  return file;
}

}  // namespace

Result<UniqueFd> open_temp_file(const std::string& directory) {
  constexpr mode_t kOwnerOnly = 0600;
  UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kOwnerOnly));
  if (file.get() < 0) {
    PYPORT_TRY(file, open_and_unlink(directory));
  }
  UniqueFd moved = out_of_the_way(file.get());
  if (moved.get() < 0) return file;
  return moved;
}

std::size_t write_at(int fd, std::uint64_t offset, ByteView bytes) noexcept {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  return done;
}

bool punch_hole(int fd, std::uint64_t offset, std::uint64_t bytes) noexcept {
  if (in_forked_child()) return false;  // the file is the parent's too
  return ::fallocate(fd,
                     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(offset),
                     static_cast<off_t>(bytes)) == 0;
}

}  // namespace pyport
