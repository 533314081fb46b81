// Where content is, and how it moves on: heap block -> ring or file, ring -> file, and from a file
// that was read to its end back to a ring. With the writing slot; the copying is done without the
// mutex, while readers go on with what they see.
#include <algorithm>
#include <cstring>
#include <utility>

#include "store/buffer_inside.hpp"

namespace pyport::store {

namespace {

constexpr std::uint64_t kHeapBytesMin = std::uint64_t{4} << 10;
constexpr unsigned kHeapGrowthShift = 2;  // 4K, 16K, 64K, 256K, 1M; from there on twice as much
constexpr std::uint64_t kHeapLargeBytes = std::uint64_t{1} << 20;

}  // namespace

Buffer::Inside::Move Buffer::Inside::move_for_locked(std::size_t bytes) {
  const bool recycles = options.retain == Retain::unread;
  switch (stage) {
    case Stage::heap: {
      // An announced length decides at once.
      const std::uint64_t total = std::max(written + bytes, options.length.value_or(0));
      if (total > options.overflow_threshold)
        return recycles && fits_ring_locked(bytes) ? Move::to_ring : Move::to_file;
      return heap && heap->capacity() >= written + bytes ? Move::none : Move::grow_heap;
    }
    case Stage::ring:
      return pins.oldest(read) + ring->capacity() > written ? Move::none : Move::to_file;
    case Stage::file:
      return recycles && !ring_refused && read == written && fits_ring_locked(bytes) ? Move::to_ring
                                                                                     : Move::none;
  }
  return Move::none;
}

bool Buffer::Inside::fits_ring_locked(std::size_t bytes) {
  return written - read + bytes <= options.window &&
         !someone_awaits_beyond_locked(read + options.window);
}

std::span<std::uint8_t> Buffer::Inside::free_locked(std::size_t bytes) {
  switch (stage) {
    case Stage::heap:
      return {heap->data() + written, bytes};
    case Stage::ring: {
      const std::uint64_t free = pins.oldest(read) + ring->capacity() - written;
      return {ring->at(written), std::min<std::uint64_t>(bytes, free)};
    }
    case Stage::file:
      break;
  }
  if (!scratch) return {};
  return {scratch.get(), std::min(bytes, kScratchBytes)};
}

bool Buffer::Inside::grow_heap(std::uint64_t bytes) {
  const std::uint64_t total = end_of_content + bytes;
  std::uint64_t capacity = kHeapBytesMin;
  if (options.length) capacity = *options.length;
  while (capacity < total)
    capacity <<= capacity < kHeapLargeBytes ? kHeapGrowthShift : 1;
  capacity = std::min(capacity, options.overflow_threshold);
  // Near a limit with less to spare.
  std::uint64_t spare = capacity - total;
  std::shared_ptr<HeapBlock> larger = HeapBlock::make(budget, capacity);
  while (!larger && spare > 0) {
    spare /= 4;
    larger = HeapBlock::make(budget, total + spare);
  }
  if (!larger) return false;
  if (heap) std::memcpy(larger->data(), heap->data(), end_of_content);
  Doomed left;
  const MutexLock lock(mutex);
  left.heap = std::exchange(heap, std::move(larger));
  left.memory = std::exchange(view.memory, heap);
  view.origin = heap->data();
  return true;
}

bool Buffer::Inside::to_ring(std::size_t bytes) {
  auto share = MemoryShare::take(budget, options.window);
  ring_refused = true;
  if (!share) return false;
  auto memory = budget.spares().take_ring(options.window);
  if (!memory.ok()) return false;
  auto next = std::make_shared<Ring>(*std::move(share), std::move(memory).value());
  // The reader may have gone back since it was decided that all fits.
  const auto unread = keep_unread(options.window - bytes);
  if (!unread) return false;
  if (!unread->bytes.empty())
    std::memcpy(next->at(unread->from), unread->bytes.data(), unread->bytes.size());
  Doomed left;
  const MutexLock lock(mutex);
  enter_locked(Stage::ring, left);
  kept = read;  // it went on meanwhile, and what it left may be written over
  ring = std::move(next);
  view = {ring->data(), 0, ring->capacity() - 1, ring};
  return true;
}

bool Buffer::Inside::to_file() {
  const Kept content = keep_unread(UINT64_MAX).value();
  auto opened = SpillFile::open(content.from, budget);
  if (!opened.ok()) return false;
  std::shared_ptr<SpillFile> next = std::move(opened).value();
  if (next->write(content.from, content.bytes) < content.bytes.size()) return false;
  SpillFile::Window window;
  mapped_to = 0;
  if (!map_up_to(end_of_content + 1, *next, window)) return false;
  Doomed left;
  const MutexLock lock(mutex);
  enter_locked(Stage::file, left);
  file = std::move(next);
  tidied_to = content.from;
  ring_refused = false;
  show_window_locked(std::move(window), left);
  return true;
}

std::optional<Buffer::Inside::Kept> Buffer::Inside::keep_unread(std::uint64_t bytes_most) {
  const MutexLock lock(mutex);
  const std::uint64_t from = options.retain == Retain::unread ? read : kept;
  if (end_of_content - from > bytes_most) return std::nullopt;
  kept = from;
  return Kept{kept, view.bytes(kept, end_of_content)};
}

bool Buffer::Inside::map_up_to(std::uint64_t position,
                               SpillFile& from_file,
                               SpillFile::Window& window) {
  if (position <= mapped_to) return true;
  constexpr std::uint64_t kMapBytesMax = std::uint64_t{1} << 45;
  std::uint64_t from = 0;
  {
    const MutexLock lock(mutex);
    from = kept;
  }
  std::uint64_t bytes = std::max(kFileMapBytesMin, 2 * (position - from));
  if (options.length) bytes = std::max(bytes, *options.length - from);
  auto mapped = from_file.map({from, position, from + std::min(bytes, kMapBytesMax)});
  if (!mapped.ok()) return false;
  window = std::move(mapped).value();
  mapped_to = window.end();
  return true;
}

void Buffer::Inside::show_window_locked(SpillFile::Window window, Doomed& left) {
  file_memory = std::move(window.memory);
  mapped_from = window.from;
  left.memory = std::exchange(view.memory, file_memory);
  view = {file_memory->data(), mapped_from, UINT64_MAX, file_memory};
}

void Buffer::Inside::enter_locked(Stage next, Doomed& left) {
  stage = next;
  ++stage_number;
  pins.clear();
  left.heap = std::move(heap);
  left.ring = std::move(ring);
  left.file = std::move(file);
  left.mapped = std::move(file_memory);
  left.memory = std::exchange(view, View{}).memory;
}

}  // namespace pyport::store
