// Rings and scratch blocks that were used and wait to be used again: the pages of new memory cost
// more than the copy into them. Any thread; the mutex is a leaf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/allocate.hpp"
#include "core/result.hpp"
#include "sys/mapping.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

inline constexpr std::size_t kRingBytesDefault = std::size_t{2} << 20;
inline constexpr std::size_t kSpareRingCountMax = 4;
// What one reserve() of a buffer in a file gives out at most. Larger blocks leave the cache.
inline constexpr std::size_t kScratchBytes = std::size_t{256} << 10;
inline constexpr std::size_t kSpareScratchCountMax = 4;

using Scratch = HeapBytes;

class Spares {
 public:
  Spares();
  ~Spares() = default;
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;

  // `bytes` mapped twice, see map_twice(). The content is arbitrary.
  [[nodiscard]] Result<Mapping> take_ring(std::size_t bytes) PYPORT_EXCLUDES(mutex_);
  void give_ring(Mapping ring) noexcept PYPORT_EXCLUDES(mutex_);
  // kScratchBytes; null: the system has no memory.
  [[nodiscard]] Scratch take_scratch() PYPORT_EXCLUDES(mutex_);
  void give_scratch(Scratch scratch) noexcept PYPORT_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::vector<Mapping> rings_ PYPORT_GUARDED_BY(mutex_);  // all of kRingBytesDefault
  std::vector<Scratch> scratch_ PYPORT_GUARDED_BY(mutex_);
};

}  // namespace pyport::store
