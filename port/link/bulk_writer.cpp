#include "link/bulk_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/uio.h>

#include "link/messages.hpp"
#include "sys/process.hpp"
#include "wire/message.hpp"

namespace pyport::link {

void BulkWriter::write(ByteView answer) {
  std::uint8_t length[wire::kLengthBytes];
  store_u32(length, static_cast<std::uint32_t>(answer.size()));
  std::size_t written = 0;  // of both
  const std::size_t total = sizeof length + answer.size();
  {
    MutexLock lock(mutex_);
    while (written < total) {
      const std::size_t of_length = std::min(written, sizeof length);
      const std::size_t of_answer = written - of_length;
      // writev only reads; its struct has no const form.
      const iovec parts[] = {
          {length + of_length, sizeof length - of_length},
          {const_cast<std::uint8_t*>(answer.data()) + of_answer, answer.size() - of_answer}};
      const ssize_t count = ::writev(fd_, parts, 2);
      if (count >= 0) {
        written += static_cast<std::size_t>(count);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno == EPIPE || errno == ECONNRESET) exit_process(Exit::done);
      lane_broke("bulk lane", {Errc::os, std::string("write: ") + std::strerror(errno)});
    }
  }
  traffic_.note_bulk_out({1, total});
}

}  // namespace pyport::link
