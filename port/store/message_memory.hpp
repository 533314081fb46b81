// Memory of large messages that were taken, for those that come: the pages of new memory cost as
// much as receiving into them. Any thread; the mutex is a leaf.
#pragma once

#include <cstddef>
#include <vector>

#include "core/payload.hpp"
#include "core/result.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

class MessageMemory {
 public:
  // Smaller and larger ones are not kept.
  static constexpr std::size_t kBytesMin = std::size_t{8} << 10;
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20;
  // What is kept at most, and the bytes of it.
  static constexpr std::size_t kSpareCountMax = 512;
  static constexpr std::size_t kSpareBytesMax = std::size_t{4} << 20;

  MessageMemory() { spares_.reserve(kSpareCountMax); }

  // Of exactly `bytes`; the content is arbitrary. An error (os): the system has not so much.
  [[nodiscard]] Result<Payload> take(std::size_t bytes) PYPORT_EXCLUDES(mutex_);
  void give(Payload memory) noexcept PYPORT_EXCLUDES(mutex_);
  [[nodiscard]] std::size_t spare_bytes() PYPORT_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return spare_bytes_;
  }

 private:
  Mutex mutex_;
  std::vector<Payload> spares_ PYPORT_GUARDED_BY(mutex_);  // what was given last is at the end
  std::size_t spare_bytes_ PYPORT_GUARDED_BY(mutex_) = 0;
};

}  // namespace pyport::store
