// The buffers or the channels of the process, by the number that the BEAM gave them and by their
// Erlang reference.
//
// A thing is here until the BEAM drops it; by its reference it is found until nothing can name it
// any more (store/dropped.hpp). One that is over and that Python does not hold leaves when
// kDrainedCountMax others have come to that after it: until then its reference still becomes the
// object. Python may hold one longer than it is here.
//
// Any thread; no member blocks. The mutex is a leaf: things die outside it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "store/dropped.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

inline constexpr std::size_t kDrainedCountMax = 1024;

// A Thing has number() and reference(), which never change.
template <class Thing>
class Registry final : public ReferenceTable {
 public:
  // `name` is what a thing is called in errors. `dropped` outlives this.
  Registry(const char* name, std::size_t count_max, Dropped& dropped)
      : name_(name), count_max_(count_max), dropped_(dropped) {}
  ~Registry() override {
    dropped_.leave(*this);
    dropped_.count_known(-static_cast<std::int64_t>(count()));
  }
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // An error: the limit is reached (too_large), or the number or the reference is known (protocol).
  Result<Done> add(std::shared_ptr<Thing> thing) PYPORT_EXCLUDES(mutex_) {
    const std::string_view key = as_chars(thing->reference());
    const std::uint64_t number = thing->number();
    const MutexLock lock(mutex_);
    if (by_number_.size() >= count_max_) {
      return Error{Errc::too_large,
                   "the limit of " + std::to_string(count_max_) + " " + name_ + "s"};
    }
    if (by_number_.contains(number))
      return Error{Errc::protocol, name_ + (" " + std::to_string(number)) + " is known"};
    if (!key.empty() && !by_reference_.emplace(key, thing).second) {
      return Error{
          Errc::protocol,
          std::string("the reference of ") + name_ + " " + std::to_string(number) + " is known"};
    }
    by_number_.emplace(number, Entry{std::move(thing)});
    count_changed_locked(1);
    return Done{};
  }

  // Null: there is none (any more). Without any thing this takes no lock.
  [[nodiscard]] std::shared_ptr<Thing> find(std::uint64_t number) PYPORT_EXCLUDES(mutex_) {
    if (count() == 0) return nullptr;
    const MutexLock lock(mutex_);
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second.thing;
  }
  [[nodiscard]] std::shared_ptr<Thing> find(ByteView reference) PYPORT_EXCLUDES(mutex_) {
    if (count() == 0 && !dropped_.any()) return nullptr;
    const MutexLock lock(mutex_);
    const auto found = by_reference_.find(as_chars(reference));
    return found == by_reference_.end() ? nullptr : found->second;
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_.load(); }
  [[nodiscard]] Dropped& dropped() const noexcept { return dropped_; }

  // The BEAM has dropped it; it holds so many bytes.
  void drop(const std::shared_ptr<Thing>& thing, std::uint64_t bytes) PYPORT_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      if (by_number_.erase(thing->number()) == 0) return;
    }
    // First: whoever reads the count as 0 must find the drop.
    dropped_.add({this, thing, thing->reference(), bytes});
    const MutexLock lock(mutex_);
    count_changed_locked(-1);
  }
  void forget_reference(ByteView reference) noexcept override PYPORT_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    by_reference_.erase(as_chars(reference));
  }

  // Python has an object for it; balanced by released().
  void held(const std::shared_ptr<Thing>& thing) PYPORT_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    Entry* const entry = find_locked(*thing);
    if (entry == nullptr) return;
    ++entry->held_count;
    entry->was_held = true;
  }
  enum class Left : std::uint8_t { held, let_go, unknown };
  // let_go: Python does not hold it any more. unknown: it is not here any more.
  Left released(const std::shared_ptr<Thing>& thing) PYPORT_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    Entry* const entry = find_locked(*thing);
    if (entry == nullptr) return Left::unknown;
    return --entry->held_count == 0 ? Left::let_go : Left::held;
  }

  struct Retired {
    bool let_go = false;               // Python has, and nobody else uses its content
    std::shared_ptr<Thing> forgotten;  // this one has left
  };
  // Whether one that Python never held may leave.
  enum class NeverHeld : std::uint8_t { stays, leaves };
  // It is over. If Python does not hold it, it is the last one to leave now.
  [[nodiscard]] Retired retire(const std::shared_ptr<Thing>& thing, NeverHeld never_held)
      PYPORT_EXCLUDES(mutex_) {
    Retired result;
    const MutexLock lock(mutex_);
    Entry* const entry = find_locked(*thing);
    if (entry == nullptr || entry->held_count > 0) return result;
    if (!entry->was_held && never_held == NeverHeld::stays) return result;
    result.let_go = true;
    if (!std::exchange(entry->drained, true)) drained_.push_back(thing->number());
    if (drained_.size() <= kDrainedCountMax) return result;
    // One that Python holds again comes here again when it lets go.
    const auto oldest = by_number_.find(drained_.front());
    drained_.pop_front();
    if (oldest == by_number_.end()) return result;
    oldest->second.drained = false;
    if (oldest->second.held_count > 0) return result;
    result.forgotten = std::move(oldest->second.thing);
    by_reference_.erase(as_chars(result.forgotten->reference()));
    by_number_.erase(oldest);
    count_changed_locked(-1);
    return result;
  }

 private:
  struct Entry {
    // Owners: this registry (also by reference, and once dropped), Python's objects, who uses it
    // just now.
    std::shared_ptr<Thing> thing;
    std::uint32_t held_count = 0;
    bool was_held = false;
    bool drained = false;  // its number is in drained_
  };
  [[nodiscard]] Entry* find_locked(const Thing& thing) PYPORT_REQUIRES(mutex_) {
    const auto found = by_number_.find(thing.number());
    return found == by_number_.end() || found->second.thing.get() != &thing ? nullptr
                                                                            : &found->second;
  }
  void count_changed_locked(std::int64_t change) PYPORT_REQUIRES(mutex_) {
    count_.store(by_number_.size());
    dropped_.count_known(change);
  }

  const char* const name_;
  const std::size_t count_max_;
  Dropped& dropped_;
  std::atomic<std::size_t> count_{0};
  Mutex mutex_;
  std::unordered_map<std::uint64_t, Entry> by_number_ PYPORT_GUARDED_BY(mutex_);
  // The keys are the things' own copies.
  std::unordered_map<std::string_view, std::shared_ptr<Thing>> by_reference_
      PYPORT_GUARDED_BY(mutex_);
  std::deque<std::uint64_t> drained_ PYPORT_GUARDED_BY(mutex_);  // may hold numbers that are gone
};

}  // namespace pyport::store
