#include "py/types/buffer_reader.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/check.hpp"
#include "py/blocking.hpp"
#include "py/to_python_parts.hpp"
#include "py/types/method.hpp"

namespace pyport::py {
namespace {

using store::BufferState;
using Pin = store::Buffer::Pin;

constexpr std::size_t kClaimBytesMax = std::size_t{64} << 10;
// A read of more than this gains nothing from a claim.
constexpr std::size_t kClaimedReadMax = 4096;
// Copying so much takes longer than handing the GIL over, and may wait for a disk.
constexpr std::size_t kCopyWithoutGil = std::size_t{256} << 10;

void copy(std::uint8_t* to, ByteView from) PYPORT_REQUIRES(gil) {
  if (from.size() < kCopyWithoutGil) {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
    return;
  }
  const GilReleased released;
  std::memcpy(to, from.data(), from.size());
}

[[nodiscard]] std::uint8_t* content(PyObject* bytes) noexcept {
  return reinterpret_cast<std::uint8_t*>(PyBytes_AS_STRING(bytes));
}

// `bytes` up to and with the one at `last`.
[[nodiscard]] ByteView up_to(ByteView bytes, const void* last) noexcept {
  const auto* const at = static_cast<const std::uint8_t*>(last);
  return bytes.first(static_cast<std::size_t>(at - bytes.data()) + 1);
}

// The length of the first line in `count` bytes, 0 without a newline. Eight bytes at a time at the
// beginning: for a short line that is half of what a call of memchr costs.
[[nodiscard]] std::size_t line_bytes(const std::uint8_t* from, std::size_t count) noexcept {
  constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
  constexpr std::size_t kByWords = 64;
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= std::min(count, kByWords); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, from + at, sizeof word);
    word ^= kOnes * '\n';
    const std::uint64_t found = (word - kOnes) & ~word & (kOnes << 7);  // the lowest bit is right
    if (found != 0) return at + static_cast<std::size_t>(std::countr_zero(found)) / 8 + 1;
  }
  if (at == count) return 0;
  const void* const newline = std::memchr(from + at, '\n', count - at);
  return newline == nullptr ? 0 : up_to({from, count}, newline).size();
}

// Up to and with the first newline; all of them without one.
[[nodiscard]] ByteView first_line(ByteView bytes) PYPORT_REQUIRES(gil) {
  const void* newline = nullptr;
  if (bytes.size() < kCopyWithoutGil) {
    newline = std::memchr(bytes.data(), '\n', bytes.size());
  } else {
    const GilReleased released;
    newline = std::memchr(bytes.data(), '\n', bytes.size());
  }
  return newline == nullptr ? bytes : up_to(bytes, newline);
}

constexpr const char* kForked = "a PyBuffer cannot be read in a child made by fork()";

struct CutOff {
  int number;
  const char* why;
};

[[nodiscard]] CutOff cut_off(BufferState state) noexcept {
  switch (state) {
    case BufferState::writer_died:
      return {EPIPE, "the content of the buffer was cut off: its writer ended before it was whole"};
    case BufferState::no_space:
      return {ENOSPC, "the content of the buffer was cut off: its temporary file cannot grow"};
    case BufferState::too_large:
      return {EFBIG,
              "the content of the buffer was cut off: more was written than its announced length "
              "or its maximum"};
    default:
      return {0, nullptr};
  }
}

}  // namespace

// A quarter of the window: the writer goes on while a claim is used up.
BufferReader::BufferReader(std::shared_ptr<store::Buffer> buffer) noexcept
    : buffer_(std::move(buffer)),
      claim_bytes_(std::min<std::size_t>(kClaimBytesMax, buffer_->options().window / 4)),
      read_(buffer_->position().read) {}

std::optional<Pin> BufferReader::look(std::size_t max) {
  auto pin = buffer_->peek(max);
  if (pin.ok()) return std::move(pin).value();
  PyErr_SetString(PyExc_MemoryError, pin.error().detail.c_str());
  return std::nullopt;
}

bool BufferReader::claim() {
  auto pin = look(claim_bytes_);
  if (!pin) return false;
  claim_ = *std::move(pin);
  next_ = claim_.bytes().data();
  end_ = next_ + claim_.bytes().size();
  return true;
}

void BufferReader::settle() {
  if (next_ == end_) return;
  next_ = end_ = nullptr;
  end_claim();
}

bool BufferReader::seek(std::uint64_t to) {
  settle();
  if (!buffer_->seek(to)) return false;
  read_ = to;
  return true;
}

void BufferReader::advance(std::size_t bytes) {
  read_ += bytes;
  // Forward, and no further than what the store has shown.
  PYPORT_CHECK(buffer_->seek(read_), read_);
}

void BufferReader::end_claim() {
  advance(0);
  claim_ = Pin();
}

store::Buffer::Position BufferReader::position() {
  store::Buffer::Position at = buffer_->position();
  at.read = read_;
  return at;
}

bool BufferReader::complete(const store::Buffer::Position& at) const noexcept {
  const auto& length = buffer_->options().length;
  return at.state != BufferState::open || at.reader_closed || (length && at.written >= *length);
}

bool BufferReader::raise_if_cut_off(const store::Buffer::Position& at) const {
  if (at.reader_closed) return false;
  const CutOff reason = cut_off(at.state);
  if (reason.why == nullptr) return false;
  // From both OSError takes the subclass: BrokenPipeError for EPIPE.
  const PyRef arguments = PyRef::steal(Py_BuildValue("(is)", reason.number, reason.why));
  if (arguments) PyErr_SetObject(PyExc_OSError, arguments.get());
  return true;
}

PyObject* BufferReader::at_end() {
  return raise_if_cut_off(buffer_->position()) ? nullptr : bytes_to_python({});
}

void BufferReader::search_line(std::size_t max) {
  settle();
  if (buffer_->position().unread() < kCopyWithoutGil) return;
  const GilReleased released;
  static_cast<void>(buffer_->poll(Need::line, max));
}

void BufferReader::add_waiter(const std::shared_ptr<store::Notifier>& notifier,
                              std::uint64_t token,
                              Need need,
                              std::size_t max) {
  if (need == Need::line) search_line(max);
  settle();
  buffer_->add_waiter(notifier, token, need, max);
}

// What poll() says under the GIL stays true until the caller acts on it: bytes are only added.
BufferReader::Readiness BufferReader::await(Need need, std::size_t max, Mode mode) {
  for (;;) {
    if (need == Need::line) search_line(max);
    settle();
    const auto now = buffer_->poll(need, max);
    if (now) return *now == store::Buffer::Wait::ended ? Readiness::ended : Readiness::ready;
    if (mode == Mode::try_now) return Readiness::would_block;
    const auto slept = block(
        kNever, [&buffer = *buffer_, need, max](store::InterruptPoint* point, TimePoint until) {
          return buffer.wait(need, max, until, point);
        });
    if (!slept) return Readiness::failed;
  }
}

PyObject* BufferReader::from_claim(std::size_t bytes) {
  PyObject* const made = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(next_),
                                                   static_cast<Py_ssize_t>(bytes));
  if (made != nullptr) [[likely]]
    advance_claim(bytes);
  return made;
}

PyObject* BufferReader::from_store(ByteView bytes) {
  PyObject* const made = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(bytes.size()));
  if (made == nullptr) return nullptr;
  // Before the copying, which lets other threads read on.
  advance(bytes.size());
  copy(content(made), bytes);
  return made;
}

PyObject* BufferReader::read_what_is_there(std::size_t max) {
  if (claimed() >= max) return from_claim(max);
  settle();
  if (max <= kClaimedReadMax) {
    if (!claim() || claimed() == 0) return nullptr;
    return from_claim(std::min(max, claimed()));
  }
  const auto pin = look(max);
  return pin && !pin->bytes().empty() ? from_store(pin->bytes()) : nullptr;
}

PyObject* BufferReader::read(std::size_t max, Mode mode) {
  if (refused_in_forked_child(kForked)) return nullptr;
  for (;;) {
    PyObject* const made = read_what_is_there(max);
    if (made != nullptr || PyErr_Occurred() != nullptr) return made;
    switch (await(Need::some, 0, mode)) {
      case Readiness::ready:
        continue;
      case Readiness::ended:
        return at_end();
      case Readiness::would_block:
        return keep(Py_None);
      case Readiness::failed:
        return nullptr;
    }
  }
}

PyObject* BufferReader::read_all(Mode mode) {
  if (refused_in_forked_child(kForked)) return nullptr;
  const Readiness readiness = await(Need::end, 0, mode);
  if (readiness == Readiness::failed) return nullptr;
  if (readiness == Readiness::would_block) return keep(Py_None);
  // Before anything is consumed: a body that was cut off must not look complete.
  if (raise_if_cut_off(buffer_->position())) return nullptr;
  const auto pin = look(0);
  return pin ? from_store(pin->bytes()) : nullptr;
}

std::size_t BufferReader::line_in_claim(std::size_t max) const noexcept {
  const std::size_t looked_at = max == 0 ? claimed() : std::min(max, claimed());
  const std::size_t line = line_bytes(next_, looked_at);
  return line == 0 && looked_at == max ? max : line;
}

PyObject* BufferReader::read_line(std::size_t max, Mode mode) {
  if (refused_in_forked_child(kForked)) return nullptr;
  for (;;) {
    std::size_t line = line_in_claim(max);
    if (line != 0) return from_claim(line);
    const Readiness readiness = await(Need::line, max, mode);
    if (readiness == Readiness::failed) return nullptr;
    if (readiness == Readiness::would_block) return keep(Py_None);
    if (!claim()) return nullptr;
    line = line_in_claim(max);
    if (line != 0) return from_claim(line);
    settle();
    const auto pin = look(max);
    if (!pin) return nullptr;
    if (pin->bytes().empty()) return at_end();
    const std::uint64_t from = read_;
    const ByteView bytes = first_line(pin->bytes());
    // Otherwise another thread read on meanwhile, and this is not the next line any more.
    if (read_ == from && claimed() == 0) return from_store(bytes);
  }
}

PyObject* BufferReader::read_there(std::size_t max) {
  if (refused_in_forked_child(kForked)) return nullptr;
  settle();
  const auto pin = look(max);
  if (!pin) return nullptr;
  return pin->bytes().empty() ? at_end() : from_store(pin->bytes());
}

PyObject* BufferReader::peek(std::size_t max) {
  if (refused_in_forked_child(kForked)) return nullptr;
  const Readiness readiness = await(Need::some, 0, Mode::block);
  if (readiness == Readiness::failed) return nullptr;
  if (readiness == Readiness::ended) return at_end();
  const auto pin = look(max);
  return pin ? bytes_to_python(pin->bytes()) : nullptr;
}

Py_ssize_t BufferReader::read_into(std::span<std::uint8_t> to) {
  if (refused_in_forked_child(kForked)) return -1;
  while (!to.empty()) {
    if (claimed() == 0 && to.size() <= kClaimedReadMax && !claim()) return -1;
    if (claimed() != 0) {
      const std::size_t bytes = std::min(to.size(), claimed());
      std::memcpy(to.data(), next_, bytes);
      advance_claim(bytes);
      return static_cast<Py_ssize_t>(bytes);
    }
    const auto pin = look(to.size());
    if (!pin) return -1;
    if (const ByteView bytes = pin->bytes(); !bytes.empty()) {
      advance(bytes.size());
      copy(to.data(), bytes);
      return static_cast<Py_ssize_t>(bytes.size());
    }
    const Readiness readiness = await(Need::some, 0, Mode::block);
    if (readiness == Readiness::failed) return -1;
    if (readiness == Readiness::ended) return raise_if_cut_off(buffer_->position()) ? -1 : 0;
  }
  return 0;
}

}  // namespace pyport::py
