// A descriptor that wakes a poll(2) from another thread.
#pragma once

#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys/fd.hpp"

namespace pyport {

class WakeFd {
 public:
  WakeFd() noexcept : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  // Any thread. Wake-ups that nobody has taken yet count as one.
  void wake() const noexcept {
    const std::uint64_t one = 1;
    static_cast<void>(::write(fd_.get(), &one, sizeof one));  // fails only when already awake
  }
  void clear() const noexcept {
    std::uint64_t count = 0;
    static_cast<void>(::read(fd_.get(), &count, sizeof count));  // fails only when not awake
  }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace pyport
