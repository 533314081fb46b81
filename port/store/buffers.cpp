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
  if (!key.empty() && !by_reference_.emplace(key, number).second)
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
  if (count_.load() == 0) return nullptr;
  const MutexLock lock(mutex_);
  const auto found = by_reference_.find(as_chars(reference));
  return found == by_reference_.end() ? nullptr : by_number_.find(found->second)->second.buffer;
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
  std::shared_ptr<Buffer> buffer;
  {
    const MutexLock lock(mutex_);
    buffer = take_locked(number);
  }
  if (buffer) buffer->end(BufferState::writer_died);
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
