#include "store/message_memory.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pyport::store {

namespace {

constexpr std::size_t kRound = 4096;  // so that messages of about the same size share

}  // namespace

Result<Payload> MessageMemory::take(std::size_t bytes) {
  if (bytes < kBytesMin || bytes > kBytesMax) return Payload::with_size(bytes);
  {
    const MutexLock lock(mutex_);
    const auto found =
        std::find_if(spares_.rbegin(), spares_.rend(), [bytes](const Payload& spare) {
          return spare.capacity() >= bytes && spare.capacity() / 2 <= bytes;
        });
    if (found != spares_.rend()) {
      Payload memory = std::move(*found);
      spares_.erase(std::prev(found.base()));
      spare_bytes_ -= memory.capacity();
      memory.set_size(bytes);
      return memory;
    }
  }
  PYPORT_TRY(Payload memory, Payload::with_size((bytes + kRound - 1) / kRound * kRound));
  memory.set_size(bytes);
  return memory;
}

void MessageMemory::give(Payload memory) noexcept {
  const std::size_t bytes = memory.capacity();
  if (bytes < kBytesMin || bytes > kBytesMax) return;
  const MutexLock lock(mutex_);
  if (spare_bytes_ + bytes > kSpareBytesMax || spares_.size() == kSpareCountMax) return;
  spare_bytes_ += bytes;
  spares_.push_back(std::move(memory));
}

}  // namespace pyport::store
