#include "link/bulk_lane.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/uio.h>
#include <utility>

#include "sys/process.hpp"
#include "wire/message.hpp"

namespace pyport::link {
namespace {

constexpr std::size_t kScratchBytes = 32U << 10;
// What a read takes beyond a large packet, and what it takes where the next packet is likely to be
// large: its header, and not much of what should go straight to its place.
constexpr std::size_t kAheadOfLargeBytes = 256;
constexpr std::size_t kLargeBytes = 16U << 10;
// A message to a channel of so many bytes goes straight to memory of its own.
constexpr std::size_t kSendBytes = 8U << 10;
constexpr std::size_t kWriteHeadBytes = wire::kLengthBytes + wire::kControlHeaderBytes;

bool is_write(ByteView content) noexcept {
  return content.size() >= wire::kControlHeaderBytes &&
         content[0] == static_cast<std::uint8_t>(wire::Op::buffer_write);
}

bool is_send(ByteView content) noexcept {
  return content[0] == static_cast<std::uint8_t>(wire::Op::channel_send);
}

std::uint64_t number_of(ByteView content) noexcept {
  return load_u64(content.data() + 1);
}

// Of a packet of `length` bytes the beginning is there: does the rest go to its own place? Where it
// belongs is waited for, and so is a small message.
bool begins_apart(ByteView content, std::size_t length) noexcept {
  if (content.size() < wire::kControlHeaderBytes) return false;
  if (is_write(content)) return true;
  if (is_send(content) && length >= kSendBytes) return true;
  return length + wire::kLengthBytes > kScratchBytes;
}

}  // namespace

BulkLane::BulkLane(int fd, const LaneParts& parts, BufferWrites& writes)
    : fd_(fd), to_(parts), writes_(writes), scratch_(Payload::with_size(kScratchBytes).value()) {}

void BulkLane::run() {
  for (;;) {
    auto status = step();
    if (!status.ok()) lane_broke("bulk lane", status.error());
    if (status.value() == Status::end_of_file) exit_process(Exit::done);
  }
}

std::span<std::uint8_t> BulkLane::place_of_rest() {
  if (rest_ == Rest::memory) return {large_.data() + large_used_, rest_bytes_};
  if (rest_ == Rest::buffer) {
    const std::span<std::uint8_t> room = writes_.reserve(rest_bytes_);
    if (!room.empty()) return room.first(std::min(room.size(), rest_bytes_));
    rest_ = Rest::skip;
  }
  return {};
}

Result<BulkLane::Status> BulkLane::step() {
  make_room();
  const std::span<std::uint8_t> place = place_of_rest();
  const bool reaches_beyond = place.size() == rest_bytes_ || rest_ == Rest::skip;
  std::size_t beyond = reaches_beyond ? scratch_.size() - end_ : 0;
  if (large_traffic_ && rest_ != Rest::skip) beyond = std::min(beyond, kAheadOfLargeBytes);
  const iovec parts[] = {{place.data(), place.size()}, {scratch_.data() + end_, beyond}};
  ssize_t count = 0;
  do {
    count = ::readv(fd_, parts, 2);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno != ECONNRESET)
    return Error{Errc::os, std::string("read: ") + std::strerror(errno)};
  if (count <= 0) {
    if (rest_ == Rest::buffer) writes_.commit(0);
    return Status::end_of_file;
  }

  const auto bytes = static_cast<std::size_t>(count);
  inflow_.read_at = Clock::now();
  const std::size_t placed = std::min(bytes, place.size());
  end_ += bytes - placed;
  take_rest(placed);
  PYPORT_TRY([[maybe_unused]] auto taken, take_packets());
  to_.messages.traffic().note_in({std::exchange(messages_seen_, 0), bytes});
  to_.messages.submit(inflow_);
  if (!to_.writer.try_flush()) to_.reader_wake.wake();
  return Status::some;
}

void BulkLane::make_room() {
  if (begin_ == 0) return;
  std::memmove(scratch_.data(), scratch_.data() + begin_, buffered());
  end_ = buffered();
  begin_ = 0;
}

// `count` bytes of the packet at hand have come to their place; what is skipped is in the scratch
// block.
void BulkLane::take_rest(std::size_t count) {
  if (rest_ == Rest::skip) {
    count = std::min(buffered(), rest_bytes_);
    begin_ += count;
  } else if (rest_ == Rest::buffer) {
    writes_.commit(count);
  } else {
    large_used_ += count;
  }
  rest_bytes_ -= count;
}

Result<Done> BulkLane::take_packets() {
  for (bool more = true; more;) {
    if (rest_bytes_ != 0) break;
    if (std::exchange(rest_, Rest::none) == Rest::memory) {
      const ByteView content = large_.view();
      PYPORT_TRY([[maybe_unused]] auto done,
                 to_.messages.packet(inflow_, content, std::exchange(large_, Payload())));
    }
    PYPORT_TRY(more, take_packet());
  }
  finish_writes();
  if (rest_ != Rest::buffer) forget_selection();
  return Done{};
}

Result<bool> BulkLane::take_packet() {
  const ByteView have = scratch();
  if (have.size() < wire::kLengthBytes) return false;
  const std::size_t length = load_u32(have.data());
  if (length == 0) return Error{Errc::protocol, "a packet of 0 bytes"};
  if (length > to_.packet_bytes_max) {
    return Error{Errc::too_large,
                 "a packet of " + std::to_string(length) + " bytes, limit " +
                     std::to_string(to_.packet_bytes_max)};
  }
  const ByteView body = have.subspan(wire::kLengthBytes);
  const ByteView content = body.first(std::min(length, body.size()));
  const bool whole = content.size() == length;
  if (!whole && !begins_apart(content, length)) return false;
  begin_ += wire::kLengthBytes + content.size();
  large_traffic_ = length >= kLargeBytes;
  if (!whole) {
    PYPORT_TRY([[maybe_unused]] auto begun, begin_rest(length, content));
    return true;
  }
  PYPORT_TRY([[maybe_unused]] auto done, take_whole(content));
  return true;
}

Result<Done> BulkLane::take_whole(ByteView content) {
  if (is_write(content)) {
    const std::uint64_t number = number_of(content);
    put(number, content.subspan(wire::kControlHeaderBytes), bytes_ahead(number));
    return Done{};
  }
  finish_writes();
  forget_selection();
  return to_.messages.packet(inflow_, content, std::nullopt);
}

// The scratch block ends within a packet: what is there goes to the place of the rest.
Result<Done> BulkLane::begin_rest(std::size_t length, ByteView content) {
  rest_bytes_ = length - content.size();
  if (is_write(content)) {
    put(number_of(content), content.subspan(wire::kControlHeaderBytes), 0);
    rest_ = selection_ == Selection::known ? Rest::buffer : Rest::skip;
    return Done{};
  }
  if (is_send(content)) {
    PYPORT_TRY(large_, to_.messages.memory_for_send(length));
  } else {
    PYPORT_TRY(large_, Payload::with_size(length));
  }
  std::memcpy(large_.data(), content.data(), content.size());
  large_used_ = content.size();
  rest_ = Rest::memory;
  return Done{};
}

// Bytes for the same buffer in the packets that follow at once, to reserve for all of them.
std::size_t BulkLane::bytes_ahead(std::uint64_t number) const noexcept {
  std::size_t bytes = 0;
  for (ByteView rest = scratch(); rest.size() >= kWriteHeadBytes;) {
    const std::size_t length = load_u32(rest.data());
    rest = rest.subspan(wire::kLengthBytes);
    const ByteView content = rest.first(std::min(length, rest.size()));
    if (!is_write(content) || number_of(content) != number) break;
    bytes += content.size() - wire::kControlHeaderBytes;
    rest = rest.subspan(content.size());
  }
  return bytes;
}

void BulkLane::put(std::uint64_t number, ByteView data, std::size_t ahead) {
  ++messages_seen_;
  if (selection_ == Selection::none || selected_ != number) {
    finish_writes();
    selected_ = number;
    selection_ = writes_.select(number) ? Selection::known : Selection::unknown;
  }
  while (!data.empty() && selection_ == Selection::known) {
    if (room_.empty()) {
      finish_writes();
      room_ = writes_.reserve(data.size() + ahead);
      reserved_ = !room_.empty();
      if (!reserved_) selection_ = Selection::unknown;
      continue;
    }
    const std::size_t count = std::min(room_.size(), data.size());
    std::memcpy(room_.data(), data.data(), count);
    room_ = room_.subspan(count);
    data = data.subspan(count);
    filled_ += count;
  }
}

void BulkLane::finish_writes() {
  if (!std::exchange(reserved_, false)) return;
  room_ = {};
  writes_.commit(std::exchange(filled_, 0));
}

void BulkLane::forget_selection() {
  if (std::exchange(selection_, Selection::none) != Selection::none) writes_.release();
}

}  // namespace pyport::link
