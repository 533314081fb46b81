#include "store/notifier.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include "sys/os_error.hpp"

namespace pyport::store {

Result<UniqueFd> Notifier::open_descriptor() {
  const UniqueFd low(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (low.get() < 0) return os_error("eventfd");
  UniqueFd fd = out_of_the_way(low.get());
  if (fd.get() < 0) return os_error("eventfd: a high descriptor");
  return fd;
}

void Notifier::notify(std::uint64_t token) {
  bool first = false;
  {
    const MutexLock lock(mutex_);
    first = ready_.empty();
    ready_.push_back(token);
  }
  if (!first) return;  // the descriptor is readable already
  const std::uint64_t one = 1;
  static_cast<void>(::write(fd_.get(), &one, sizeof one));  // fails only when it is readable
}

std::vector<std::uint64_t> Notifier::take() {
  // Reset before taking: what comes in between makes it readable again.
  std::uint64_t count = 0;
  static_cast<void>(::read(fd_.get(), &count, sizeof count));
  const MutexLock lock(mutex_);
  return std::exchange(ready_, {});
}

}  // namespace pyport::store
