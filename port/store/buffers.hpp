// The buffers of the process, by the number that the BEAM gave them and by their Erlang reference.
//
// A buffer is here from BUFFER_NEW until BUFFER_DROP. One that Python held, let go of, and that is
// closed and drained gives its content back at once and leaves when kDrainedCountMax others have
// come to that after it: until then its reference still becomes a PyBuffer at its end. With
// Retain::all it stays as it is. Python may hold one longer than it is here.
//
// A reference is still found after the drop while a request that came before it is not decoded:
// each such request holds a token of undecoded(). The tokens between two drops are one and the
// same, so a dropped buffer goes when its token and those of all drops before it are gone, or when
// kDroppedCountMax or kDroppedBytesMax are exceeded, the oldest first.
//
// Any thread; no member blocks. The mutex is a leaf: events are told and buffers die outside it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "store/buffer.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

inline constexpr std::size_t kDrainedCountMax = 1024;
// Of those that were dropped and still wait for requests; the last one may be larger.
inline constexpr std::size_t kDroppedCountMax = 1024;
inline constexpr std::uint64_t kDroppedBytesMax = std::uint64_t{64} << 20;

class Buffers {
 public:
  Buffers(BudgetLimits limits, BufferEvents& events, std::size_t count_max);
  ~Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  // `reference` is the external term without its version byte. An error: the limit of buffers is
  // reached (too_large), or the number or the reference is known (protocol).
  Result<Done> create(std::uint64_t number, ByteView reference, const BufferOptions& options);
  // Null: there is none (any more). Without any buffer this takes no lock.
  [[nodiscard]] std::shared_ptr<Buffer> find(std::uint64_t number);
  [[nodiscard]] std::shared_ptr<Buffer> find(ByteView reference);
  // Buffer::end(), for one that may be drained and let go of already. Unknown numbers are ignored.
  void end(std::uint64_t number, BufferState how);
  // Nobody in the BEAM uses it any more. If it was open its writer died.
  void drop(std::uint64_t number);

  // What a request holds from when it came in until its term is decoded; its death takes no lock.
  // Null: there is no buffer that it could name.
  [[nodiscard]] std::shared_ptr<const void> undecoded() PYPORT_EXCLUDES(mutex_);
  // Are there dropped buffers that wait for requests?
  [[nodiscard]] bool has_dropped() const noexcept { return dropped_count_.load() != 0; }
  // Lets go of those that no request waits for any more. They may die here: not with the GIL.
  void forget_dropped() PYPORT_EXCLUDES(mutex_);

  // The lane has committed to it, and with that perhaps the end that came meanwhile.
  void written(const std::shared_ptr<Buffer>& buffer) { retire(buffer); }
  // Python has an object for it; balanced by released().
  void held(const std::shared_ptr<Buffer>& buffer);
  void released(const std::shared_ptr<Buffer>& buffer);
  // Empty for a buffer without a reference; one that was dropped keeps it.
  [[nodiscard]] static Bytes reference_of(const Buffer& buffer);

  struct Counts {
    std::size_t count;
    std::uint64_t memory_bytes;
    std::uint64_t file_bytes;
  };
  [[nodiscard]] Counts counts();
  [[nodiscard]] Budget& budget() noexcept { return budget_; }

 private:
  struct Entry {
    // Owners: this registry (also by reference, and once dropped), PyBuffers, who writes just now.
    std::shared_ptr<Buffer> buffer;
    std::uint32_t held_count = 0;
    bool was_held = false;
    bool drained = false;  // its number is in drained_
  };
  struct Dropped {
    std::shared_ptr<Buffer> buffer;
    std::uint64_t bytes = 0;
    std::weak_ptr<const void> requests;  // expired: those since the drop before are decoded
  };
  using Gone = std::vector<std::shared_ptr<Buffer>>;  // to die outside the mutex
  void forget_dropped_locked(Gone& gone) PYPORT_REQUIRES(mutex_);
  // Takes it out of both tables.
  [[nodiscard]] std::shared_ptr<Buffer> take_locked(std::uint64_t number) PYPORT_REQUIRES(mutex_);
  // If Python has let go of it and nothing more can come: gives back its content, and forgets the
  // one that came to that kDrainedCountMax ago.
  void retire(const std::shared_ptr<Buffer>& buffer) PYPORT_EXCLUDES(mutex_);

  const std::size_t count_max_;
  BufferEvents& events_;
  Budget budget_;
  std::atomic<std::size_t> count_{0};
  Mutex mutex_;
  std::unordered_map<std::uint64_t, Entry> by_number_ PYPORT_GUARDED_BY(mutex_);
  // The keys are the buffers' own copies.
  std::unordered_map<std::string_view, std::shared_ptr<Buffer>> by_reference_
      PYPORT_GUARDED_BY(mutex_);
  std::deque<std::uint64_t> drained_ PYPORT_GUARDED_BY(mutex_);  // may hold numbers that are gone
  std::atomic<std::size_t> dropped_count_{0};
  std::deque<Dropped> dropped_ PYPORT_GUARDED_BY(mutex_);  // still in by_reference_
  std::uint64_t dropped_bytes_ PYPORT_GUARDED_BY(mutex_) = 0;
  // Owners: this registry until the next drop, and the requests that came since the last.
  std::shared_ptr<const void> requests_ PYPORT_GUARDED_BY(mutex_);
};

}  // namespace pyport::store
