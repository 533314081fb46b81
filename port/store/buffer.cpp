#include "store/buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "store/buffer_inside.hpp"

namespace pyport::store {

Buffer::Buffer(std::uint64_t number,
               const BufferOptions& options,
               Budget& budget,
               BufferEvents& events,
               Bytes reference)
    : number_(number),
      options_(options),
      reference_(std::move(reference)),
      inside_(std::make_unique<Inside>(*this, budget, events)) {
  constexpr std::uint32_t kWindowMin = std::uint32_t{64} << 10;
  PYPORT_CHECK(options.window >= kWindowMin, options.window);
  PYPORT_CHECK((options.window & (options.window - 1)) == 0, options.window);
}

Buffer::~Buffer() = default;

Buffer::Inside::Inside(Buffer& owner, Budget& the_budget, BufferEvents& the_events)
    : buffer(owner),
      options(owner.options_),
      budget(the_budget),
      events(the_events),
      bytes_max(std::min(options.bytes_max, options.length.value_or(UINT64_MAX))),
      told(options.window) {}

// --- Pins ---

Buffer::Pin::Pin(Pin&& other) noexcept
    : buffer_(std::move(other.buffer_)),
      memory_(std::move(other.memory_)),
      position_(other.position_),
      stage_(other.stage_),
      bytes_(std::exchange(other.bytes_, {})) {}

Buffer::Pin& Buffer::Pin::operator=(Pin&& other) noexcept {
  std::swap(buffer_, other.buffer_);
  std::swap(memory_, other.memory_);
  std::swap(position_, other.position_);
  std::swap(stage_, other.stage_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::Pin::~Pin() {
  if (buffer_) buffer_->inside_->unpin(stage_, position_);
}

Buffer::Pin Buffer::Inside::pin_locked(std::uint64_t from, std::uint64_t to) {
  Pin pin;
  if (from == to) return pin;
  pin.memory_ = view.memory;
  pin.bytes_ = view.bytes(from, to);
  if (stage == Stage::heap) return pin;
  pins.add(from);
  pin.buffer_ = buffer.shared_from_this();
  pin.position_ = from;
  pin.stage_ = stage_number;
  return pin;
}

void Buffer::Inside::unpin(std::uint32_t pin_stage, std::uint64_t position) {
  Effects effects;
  {
    const MutexLock lock(mutex);
    if (pin_stage != stage_number) return;  // the memory is the pin's alone now
    pins.remove(position);
    settle_locked(effects);
  }
  carry_out(effects);
}

// --- Reading ---

void Buffer::Inside::move_read_locked(std::uint64_t to, Effects& effects) {
  if (to == read) return;
  read = to;
  // Without room in memory the content goes to the file again when the writer asks again.
  if (stage != Stage::file) reader_stands = false;
  if (stage == Stage::ring) kept = read;
  settle_locked(effects);
}

Buffer::Pin Buffer::take(std::size_t max) {
  Effects effects;
  Pin pin;
  {
    const MutexLock lock(inside_->mutex);
    const std::uint64_t unread = inside_->written - inside_->read;
    const std::uint64_t to =
        inside_->read + (max == 0 ? unread : std::min<std::uint64_t>(unread, max));
    pin = inside_->pin_locked(inside_->read, to);
    inside_->move_read_locked(to, effects);
  }
  inside_->carry_out(effects);
  return pin;
}

Result<Buffer::Pin> Buffer::peek(std::size_t max) {
  const MutexLock lock(inside_->mutex);
  const std::uint64_t unread = inside_->written - inside_->read;
  const std::uint64_t bytes = max == 0 ? unread : std::min<std::uint64_t>(unread, max);
  return inside_->pin_locked(inside_->read, inside_->read + bytes);
}

Buffer::Pin Buffer::take_line(std::size_t max) {
  inside_->scan_ahead();
  Effects effects;
  Pin pin;
  {
    const MutexLock lock(inside_->mutex);
    std::uint64_t to = inside_->written;
    if (max != 0) to = std::min<std::uint64_t>(to, inside_->read + max);
    const auto newline = inside_->lines.find(inside_->view, inside_->read, to);
    if (newline) to = std::min(to, *newline + 1);
    pin = inside_->pin_locked(inside_->read, to);
    inside_->move_read_locked(to, effects);
  }
  inside_->carry_out(effects);
  return pin;
}

std::optional<std::size_t> Buffer::find(ByteView needle, std::size_t from, std::size_t to) {
  // Searched outside the mutex: it may be long.
  const Pin pin = peek(to).value();
  const ByteView where = pin.bytes().first(std::min(pin.bytes().size(), to));
  if (from > where.size() || needle.size() > where.size() - from) return std::nullopt;
  if (needle.empty()) return from;
  const void* const at =
      needle.size() == 1
          ? std::memchr(where.data() + from, needle[0], where.size() - from)
          : ::memmem(where.data() + from, where.size() - from, needle.data(), needle.size());
  if (at == nullptr) return std::nullopt;
  return static_cast<std::size_t>(static_cast<const std::uint8_t*>(at) - where.data());
}

Buffer::Position Buffer::position() {
  const MutexLock lock(inside_->mutex);
  return {inside_->read, inside_->written, inside_->kept, inside_->state, inside_->reader_closed};
}

bool Buffer::seek(std::uint64_t position) {
  Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    if (position < inside_->kept || position > inside_->written) return false;
    inside_->move_read_locked(position, effects);
    // Who waits for bytes has some after a step back.
    inside_->tell_readers_locked(effects);
  }
  inside_->carry_out(effects);
  return true;
}

void Buffer::close_reader() {
  Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->reader_closed = true;
    inside_->leave_open_locked(BufferState::reader_closed, effects);
  }
  inside_->carry_out(effects);
}

void Buffer::Inside::discard_locked(Effects& effects) {
  discard_wanted = writing;
  if (writing || state == BufferState::open || read != written) return;
  kept = written;
  enter_locked(Stage::heap, effects.doomed);
}

void Buffer::discard_content() {
  Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->discard_locked(effects);
  }
  inside_->carry_out(effects);
}

Buffer::Usage Buffer::usage() {
  const MutexLock lock(inside_->mutex);
  Usage usage{0, 0};
  if (inside_->heap) usage.memory_bytes = inside_->heap->capacity();
  if (inside_->ring) usage.memory_bytes = inside_->ring->capacity();
  if (inside_->file) usage.file_bytes = inside_->file->bytes();
  return usage;
}

}  // namespace pyport::store
