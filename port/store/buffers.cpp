#include "store/buffers.hpp"

#include <utility>

namespace pyport::store {

Buffers::Buffers(BudgetLimits limits, BufferEvents& events, std::size_t count_max, Dropped& dropped)
    : events_(events), budget_(std::move(limits)), registry_("buffer", count_max, dropped) {}

Result<Done> Buffers::create(std::uint64_t number,
                             ByteView reference,
                             const BufferOptions& options) {
  return registry_.add(std::make_shared<Buffer>(
      number, options, budget_, events_, Bytes(reference.begin(), reference.end())));
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
  registry_.drop(buffer, usage.memory_bytes + usage.file_bytes);
}

void Buffers::released(const std::shared_ptr<Buffer>& buffer) {
  if (registry_.released(buffer) == Registry<Buffer>::Left::let_go) retire(buffer);
}

void Buffers::retire(const std::shared_ptr<Buffer>& buffer) {
  if (buffer->options().retain == Retain::all) return;  // all of it can be sought again
  const Buffer::Position at = buffer->position();
  if (at.state == BufferState::open || at.unread() > 0) return;
  // What Python never held may come to it yet, and its content with it.
  const auto retired = registry_.retire(buffer, Registry<Buffer>::NeverHeld::stays);
  if (retired.let_go) buffer->discard_content();
  if (retired.forgotten) events_.forgotten(retired.forgotten->number());
}

Bytes Buffers::reference_of(const Buffer& buffer) {
  const ByteView reference = buffer.reference();
  return {reference.begin(), reference.end()};
}

Buffers::Counts Buffers::counts() const noexcept {
  return {registry_.count(), budget_.memory_bytes(), budget_.file_bytes()};
}

}  // namespace pyport::store
