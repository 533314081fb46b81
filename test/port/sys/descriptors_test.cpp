#include "sys/descriptors.hpp"

#include <cstring>
#include <filesystem>
#include <sys/socket.h>
#include <sys/un.h>

#include <doctest/doctest.h>

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test of one layer

// A unix socket that somebody listens on, in the directory for temporary files.
struct Listener {
  std::string path;
  UniqueFd fd;

  Listener() {
    const auto name = "pyport-lane-" + std::to_string(::getpid()) + ".sock";
    path = std::filesystem::temp_directory_path() / name;
    ::unlink(path.c_str());
    fd = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), 1) == 0);
  }
  ~Listener() { ::unlink(path.c_str()); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  Listener(Listener&&) = delete;
  Listener& operator=(Listener&&) = delete;
};

TEST_CASE("descriptors: the bulk lane says 3, and lies where user code does not meet it") {
  const Listener listener;
  auto lane = connect_bulk_lane(listener.path);
  REQUIRE(lane.ok());
  const int fd = lane.value().get();
  const UniqueFd beam(::accept(listener.fd.get(), nullptr, nullptr));
  char kind = 0;
  REQUIRE(::read(beam.get(), &kind, 1) == 1);
  CHECK(kind == 3);
  CHECK(fd >= 900);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("descriptors: without a path there is no bulk lane") {
  auto lane = connect_bulk_lane("");
  REQUIRE(lane.ok());
  CHECK(lane.value().get() < 0);
}

TEST_CASE("descriptors: a socket that is not there, and a path too long, are named") {
  auto absent = connect_bulk_lane("/nowhere/lane.sock");
  REQUIRE_FALSE(absent.ok());
  CHECK(absent.error().code == Errc::os);
  CHECK(absent.error().detail.starts_with("--bulk: connect to /nowhere/lane.sock"));
  auto longer = connect_bulk_lane(std::string(200, 'x'));
  REQUIRE_FALSE(longer.ok());
  CHECK(longer.error().code == Errc::usage);
  CHECK(longer.error().detail.find("200 bytes") != std::string::npos);
}

}  // namespace
