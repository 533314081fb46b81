// A descriptor that wakes a poll(2) from another thread.
#pragma once

#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys/fd.hpp"

namespace pyport {

class WakeFd {
 public:
  WakeFd() noexcept {
    const UniqueFd low(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    fd_ = out_of_the_way(low.get());
  }

  // Any thread. Wake-ups that nobody has taken yet count as one.
  void wake() const noexcept {
    const std::uint64_t one = 1;
    static_cast<void>(::write(fd_.get(), &one, sizeof one));  // fails only when already awake
  }
  // False: somebody closed the descriptor, or put something else in its place.
  [[nodiscard]] bool clear() const noexcept {
    std::uint64_t count = 0;
    return ::read(fd_.get(), &count, sizeof count) == sizeof count || errno == EAGAIN;
  }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace pyport
