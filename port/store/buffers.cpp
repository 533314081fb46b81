#include "store/buffers.hpp"

#include <utility>

namespace pyport::store {

Buffers::Buffers(BudgetLimits limits, BufferEvents& events, std::size_t count_max)
    : count_max_(count_max), events_(events), budget_(std::move(limits)) {}

Result<Done> Buffers::create(std::uint64_t number,
                             ByteView reference,
                             const BufferOptions& options) {
  // Before the mutex: it allocates.
  auto buffer = std::make_shared<Buffer>(
      number, options, budget_, events_, Bytes(reference.begin(), reference.end()));
  const std::string_view key = as_chars(buffer->reference());
  const MutexLock lock(mutex_);
  if (by_number_.size() >= count_max_)
    return Error{Errc::too_large, "the limit of " + std::to_string(count_max_) + " buffers"};
  if (by_number_.contains(number))
    return Error{Errc::protocol, "buffer " + std::to_string(number) + " is known"};
  if (!key.empty() && !by_reference_.emplace(key, buffer).second)
    return Error{Errc::protocol, "the reference of buffer " + std::to_string(number) + " is known"};
  by_number_.emplace(number, Entry{std::move(buffer)});
  count_.store(by_number_.size());
  return Done{};
}

std::shared_ptr<Buffer> Buffers::find(std::uint64_t number) {
  if (count_.load() == 0) return nullptr;
  const MutexLock lock(mutex_);
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second.buffer;
}

std::shared_ptr<Buffer> Buffers::find(ByteView reference) {
  if (count_.load() == 0 && !has_dropped()) return nullptr;
  const MutexLock lock(mutex_);
  const auto found = by_reference_.find(as_chars(reference));
  return found == by_reference_.end() ? nullptr : found->second;
}

std::shared_ptr<Buffer> Buffers::take_locked(std::uint64_t number) {
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return nullptr;
  std::shared_ptr<Buffer> buffer = std::move(found->second.buffer);
  by_reference_.erase(as_chars(buffer->reference()));
  by_number_.erase(found);
  count_.store(by_number_.size());
  return buffer;
}

void Buffers::end(std::uint64_t number, BufferState how) {
  const std::shared_ptr<Buffer> buffer = find(number);
  if (!buffer) return;
  buffer->end(how);
  retire(buffer);
}

void Buffers::drop(std::uint64_t number) {
  const std::shared_ptr<Buffer> buffer = find(number);
  if (!buffer) return;
  buffer->end(BufferState::writer_died);
  const Buffer::Usage usage = buffer->usage();
  Gone gone;
  const MutexLock lock(mutex_);
  if (by_number_.erase(number) == 0) return;
  dropped_.push_back(
      {buffer, usage.memory_bytes + usage.file_bytes, std::exchange(requests_, nullptr)});
  dropped_bytes_ += dropped_.back().bytes;
  dropped_count_.store(dropped_.size());
  count_.store(by_number_.size());
  forget_dropped_locked(gone);
}

std::shared_ptr<const void> Buffers::undecoded() {
  if (count_.load() == 0) return nullptr;
  const MutexLock lock(mutex_);
  if (!requests_) requests_ = std::make_shared<char>();
  return requests_;
}

void Buffers::forget_dropped() {
  if (!has_dropped()) return;
  Gone gone;
  const MutexLock lock(mutex_);
  forget_dropped_locked(gone);
}

void Buffers::forget_dropped_locked(Gone& gone) {
  const auto goes = [this]() PYPORT_REQUIRES(mutex_) {
    if (dropped_.empty()) return false;
    const bool too_many = dropped_.size() > kDroppedCountMax;
    const bool too_large = dropped_.size() > 1 && dropped_bytes_ > kDroppedBytesMax;
    return dropped_.front().requests.expired() || too_many || too_large;
  };
  while (goes()) {
    Dropped& oldest = dropped_.front();
    // The next waits for the same requests, and for what came after them.
    if (dropped_.size() > 1 && dropped_[1].requests.expired())
      dropped_[1].requests = oldest.requests;
    by_reference_.erase(as_chars(oldest.buffer->reference()));
    dropped_bytes_ -= oldest.bytes;
    gone.push_back(std::move(oldest.buffer));
    dropped_.pop_front();
  }
  dropped_count_.store(dropped_.size());
}

void Buffers::held(const std::shared_ptr<Buffer>& buffer) {
  const MutexLock lock(mutex_);
  const auto found = by_number_.find(buffer->number());
  if (found == by_number_.end() || found->second.buffer != buffer) return;
  ++found->second.held_count;
  found->second.was_held = true;
}

void Buffers::released(const std::shared_ptr<Buffer>& buffer) {
  {
    const MutexLock lock(mutex_);
    const auto found = by_number_.find(buffer->number());
    if (found == by_number_.end() || found->second.buffer != buffer) return;
    --found->second.held_count;
  }
  retire(buffer);
}

void Buffers::retire(const std::shared_ptr<Buffer>& buffer) {
  if (buffer->options().retain == Retain::all) return;  // all of it can be sought again
  const Buffer::Position at = buffer->position();
  if (at.state == BufferState::open || at.unread() > 0) return;
  std::shared_ptr<Buffer> forgotten;
  {
    const MutexLock lock(mutex_);
    const auto found = by_number_.find(buffer->number());
    if (found == by_number_.end() || found->second.buffer != buffer) return;
    Entry& entry = found->second;
    if (!entry.was_held || entry.held_count > 0) return;
    if (!entry.drained) {
      entry.drained = true;
      drained_.push_back(buffer->number());
    }
    if (drained_.size() > kDrainedCountMax) {
      // One that Python holds again comes here again when it lets go.
      const auto oldest = by_number_.find(drained_.front());
      drained_.pop_front();
      if (oldest != by_number_.end()) {
        oldest->second.drained = false;
        if (oldest->second.held_count == 0) forgotten = take_locked(oldest->first);
      }
    }
  }
  buffer->discard_content();
  if (forgotten) events_.forgotten(forgotten->number());
}

Bytes Buffers::reference_of(const Buffer& buffer) {
  const ByteView reference = buffer.reference();
  return {reference.begin(), reference.end()};
}

Buffers::Counts Buffers::counts() {
  return {count_.load(), budget_.memory_bytes(), budget_.file_bytes()};
}

}  // namespace pyport::store
