#include "sys/descriptors.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/os_error.hpp"

namespace pyport {
namespace {

constexpr int kBeamToProgram = 3;
constexpr int kProgramToBeam = 4;
// Measured: 64 KiB messages stream at 2.5 times the speed of the default 64 KiB pipe.
constexpr int kPipeBytes = 1 << 20;

// Measured: 1 MiB messages there and back; the system's limit (net.core.wmem_max) may give less.
constexpr int kBulkBufferBytes = 4 << 20;

// Read by the atfork handler, which gets no argument. Written before any thread exists.
int forked_child_closes[3] = {-1, -1, -1};

void close_link_in_forked_child() noexcept {
  forked_child.store(true);
  for (const int fd : forked_child_closes)
    if (fd >= 0) ::close(fd);
}

Result<UniqueFd> take(int fd, const char* name) {
  UniqueFd moved = out_of_the_way(fd);
  if (moved.get() < 0) {
    return Error{Errc::usage,
                 std::string("descriptor ") + std::to_string(fd) + " (" + name +
                     ") is not open: start the program with open_port/2 and nouse_stdio"};
  }
  ::close(fd);
  // A pipe of a user over its pipe quota stays as it is; a socket (tests) has no such size.
  static_cast<void>(::fcntl(moved.get(), F_SETPIPE_SZ, kPipeBytes));
  const int flags = ::fcntl(moved.get(), F_GETFL);
  if (flags < 0 || ::fcntl(moved.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return os_error("O_NONBLOCK on the link");
  return moved;
}

// A stream socket connected to `path`, with `kind` written on it. `option` names it in errors.
Result<UniqueFd> connect_stream(const char* option, const std::string& path, char kind) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{Errc::usage,
                 std::string(option) + ": a socket path of " + std::to_string(path.size()) +
                     " bytes, limit " + std::to_string(sizeof address.sun_path - 1)};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd stream(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (stream.get() < 0) return os_error("socket");
  // The socket calls take the generic address type.
  if (::connect(stream.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return os_error(std::string(option) + ": connect to " + path);
  if (::write(stream.get(), &kind, 1) != 1)
    return os_error(std::string(option) + ": write to " + path);
  return stream;
}

Result<Done> connect_standard_stream(const std::string& path, char number) {
  PYPORT_TRY(const UniqueFd stream, connect_stream("--stdio", path, number));
  if (::dup2(stream.get(), number) < 0) return os_error("dup2");
  return Done{};
}

}  // namespace

Result<LinkFds> take_link() {
  PYPORT_TRY(auto in, take(kBeamToProgram, "requests"));
  PYPORT_TRY(auto out, take(kProgramToBeam, "answers"));
  forked_child_closes[0] = in.get();
  forked_child_closes[1] = out.get();
  ::pthread_atfork(nullptr, nullptr, close_link_in_forked_child);
  return LinkFds{std::move(in), std::move(out)};
}

Result<Done> set_standard_streams(const std::string& socket_path) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null.get() < 0) return os_error("/dev/null");
  if (::dup2(null.get(), 0) < 0) return os_error("dup2");
  if (!socket_path.empty()) {
    PYPORT_TRY([[maybe_unused]] auto out, connect_standard_stream(socket_path, 1));
    PYPORT_TRY([[maybe_unused]] auto err, connect_standard_stream(socket_path, 2));
    return Done{};
  }
  if (::fcntl(2, F_GETFD) < 0 && ::dup2(null.get(), 2) < 0) return os_error("dup2");
  if (::dup2(2, 1) < 0) return os_error("dup2");
  return Done{};
}

Result<UniqueFd> connect_bulk_lane(const std::string& socket_path) {
  constexpr char kKind = 3;
  if (socket_path.empty()) return UniqueFd();
  PYPORT_TRY(const UniqueFd stream, connect_stream("--bulk", socket_path, kKind));
  UniqueFd lane = out_of_the_way(stream.get());
  if (lane.get() < 0) return os_error("--bulk: a high descriptor");
  for (const int side : {SO_SNDBUF, SO_RCVBUF})
    static_cast<void>(
        ::setsockopt(lane.get(), SOL_SOCKET, side, &kBulkBufferBytes, sizeof kBulkBufferBytes));
  forked_child_closes[2] = lane.get();
  return lane;
}

}  // namespace pyport
