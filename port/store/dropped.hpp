// What the BEAM has dropped, buffers and channels, and what was sent before the drop may still
// name.
//
// Each request, and each message that is queued, holds a token of undecoded() until its term is
// decoded. The tokens between two drops are one and the same, so something that was dropped goes
// when its token and those of all drops before it are gone, or when kDroppedCountMax or
// kDroppedBytesMax are exceeded, the oldest first. Until then its registry finds it by reference.
//
// Any thread; no member blocks. The mutex is a leaf: registries are told, and things die, outside
// it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/bytes.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

// Of those that were dropped and still wait for requests; the last one may be larger.
inline constexpr std::size_t kDroppedCountMax = 1024;
inline constexpr std::uint64_t kDroppedBytesMax = std::uint64_t{64} << 20;

// A registry, as far as Dropped knows one.
class ReferenceTable {
 public:
  virtual ~ReferenceTable() = default;
  // Nothing names it any more. Takes the registry's own mutex.
  virtual void forget_reference(ByteView reference) noexcept = 0;
};

class Dropped {
 public:
  // What a message holds from when it came in until its term is decoded; its death takes no lock.
  // Null: there is nothing that it could name.
  [[nodiscard]] std::shared_ptr<const void> undecoded() PYPORT_EXCLUDES(mutex_);
  // Is there something that waits for such messages?
  [[nodiscard]] bool any() const noexcept { return dropped_count_.load() != 0; }
  // Lets go of what no message waits for any more. It may die here: not with the GIL.
  void forget() PYPORT_EXCLUDES(mutex_);

  // For registries: so many are known more or less.
  void count_known(std::int64_t change) noexcept { known_count_.fetch_add(change); }
  struct Item {
    ReferenceTable* table = nullptr;
    std::shared_ptr<const void> thing;  // owners: this list, its registry by reference, Python
    ByteView reference;                 // in the thing
    std::uint64_t bytes = 0;
  };
  void add(Item item) PYPORT_EXCLUDES(mutex_);
  // The registry ends, and its things with it.
  void leave(const ReferenceTable& table) PYPORT_EXCLUDES(mutex_);

 private:
  struct Waiting {
    Item item;
    std::weak_ptr<const void> requests;  // expired: those since the drop before are decoded
  };
  using Gone = std::vector<Item>;
  void forget_locked(Gone& gone) PYPORT_REQUIRES(mutex_);
  static void let_go(const Gone& gone) noexcept;

  std::atomic<std::int64_t> known_count_{0};
  std::atomic<std::size_t> dropped_count_{0};
  Mutex mutex_;
  std::deque<Waiting> dropped_ PYPORT_GUARDED_BY(mutex_);
  std::uint64_t dropped_bytes_ PYPORT_GUARDED_BY(mutex_) = 0;
  // Owners: this until the next drop, and the messages that came since the last.
  std::shared_ptr<const void> requests_ PYPORT_GUARDED_BY(mutex_);
};

}  // namespace pyport::store
