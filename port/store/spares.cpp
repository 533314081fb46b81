#include "store/spares.hpp"

#include <utility>

namespace pyport::store {

Spares::Spares() {
  rings_.reserve(kSpareRingCountMax);
  scratch_.reserve(kSpareScratchCountMax);
}

Result<Mapping> Spares::take_ring(std::size_t bytes) {
  if (bytes == kRingBytesDefault) {
    const MutexLock lock(mutex_);
    if (!rings_.empty()) {
      Mapping ring = std::move(rings_.back());
      rings_.pop_back();
      return ring;
    }
  }
  return map_twice(bytes);
}

void Spares::give_ring(Mapping ring) noexcept {
  if (ring.size() != 2 * kRingBytesDefault) return;
  const MutexLock lock(mutex_);
  if (rings_.size() < kSpareRingCountMax) rings_.push_back(std::move(ring));
}

Scratch Spares::take_scratch() {
  {
    const MutexLock lock(mutex_);
    if (!scratch_.empty()) {
      Scratch scratch = std::move(scratch_.back());
      scratch_.pop_back();
      return scratch;
    }
  }
  return allocate_bytes(kScratchBytes);
}

void Spares::give_scratch(Scratch scratch) noexcept {
  const MutexLock lock(mutex_);
  if (scratch_.size() < kSpareScratchCountMax) scratch_.push_back(std::move(scratch));
}

}  // namespace pyport::store
