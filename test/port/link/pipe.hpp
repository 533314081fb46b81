// A pipe whose both ends are non-blocking, as the link's are.
#pragma once

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "core/bytes.hpp"
#include "sys/fd.hpp"

namespace pyport::test {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;

  Pipe() {
    int fds[2] = {-1, -1};
    static_cast<void>(::pipe2(fds, O_NONBLOCK | O_CLOEXEC));
    read_end = UniqueFd(fds[0]);
    write_end = UniqueFd(fds[1]);
  }
  void put(ByteView bytes) const {
    static_cast<void>(::write(write_end.get(), bytes.data(), bytes.size()));
  }
  // What is there now, up to a megabyte.
  [[nodiscard]] Bytes take() const {
    Bytes bytes(1 << 20);
    const ssize_t count = ::read(read_end.get(), bytes.data(), bytes.size());
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }
};

inline Bytes packet(ByteView content) {
  Bytes bytes(4 + content.size());
  store_u32(bytes.data(), static_cast<std::uint32_t>(content.size()));
  std::copy(content.begin(), content.end(), bytes.begin() + 4);
  return bytes;
}

}  // namespace pyport::test
