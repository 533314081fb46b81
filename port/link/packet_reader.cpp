#include "link/packet_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <unistd.h>
#include <utility>

#include "wire/message.hpp"

namespace pyport::link {
namespace {

// Two pipes full (F_SETPIPE_SZ is 1 MiB) would be more than one read can return; a quarter keeps
// the working set in the cache and still takes thousands of small messages at once.
constexpr std::size_t kBufferBytes = 256U << 10;

}  // namespace

PacketReader::PacketReader(int fd, std::size_t packet_bytes_max)
    : fd_(fd),
      packet_bytes_max_(packet_bytes_max),
      buffer_(Payload::with_size(kBufferBytes).value()) {}

Result<PacketReader::Status> PacketReader::read_into(std::uint8_t* to,
                                                     std::size_t capacity,
                                                     std::size_t& used) {
  for (;;) {
    const ssize_t count = ::read(fd_, to + used, capacity - used);
    if (count > 0) {
      used += static_cast<std::size_t>(count);
      bytes_total_ += static_cast<std::uint64_t>(count);
      return Status::some;
    }
    if (count == 0) return Status::end_of_file;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Status::none;
    if (errno != EINTR) return Error{Errc::os, std::string("read: ") + std::strerror(errno)};
  }
}

Result<PacketReader::Status> PacketReader::read() {
  if (large_ && !large_given_) return read_into(large_->data(), large_->size(), large_used_);
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, buffered());
    end_ = buffered();
    begin_ = 0;
  }
  return read_into(buffer_.data(), buffer_.size(), end_);
}

Result<std::optional<ByteView>> PacketReader::next() {
  if (std::exchange(large_given_, false)) large_.reset();
  if (large_) {
    if (large_used_ < large_->size()) return std::optional<ByteView>{};
    large_given_ = true;
    return std::optional(large_->view());
  }
  if (buffered() < wire::kLengthBytes) return std::optional<ByteView>{};
  const std::uint8_t* at = buffer_.data() + begin_;
  const std::size_t length = load_u32(at);
  if (length == 0) return Error{Errc::protocol, "a packet of 0 bytes"};
  if (length > packet_bytes_max_) {
    return Error{Errc::too_large,
                 "a packet of " + std::to_string(length) + " bytes, limit " +
                     std::to_string(packet_bytes_max_)};
  }
  const std::size_t have = buffered() - wire::kLengthBytes;
  if (length <= have) {
    begin_ += wire::kLengthBytes + length;
    return std::optional(ByteView{at + wire::kLengthBytes, length});
  }
  if (length + wire::kLengthBytes > buffer_.size()) {
    PYPORT_TRY(large_, Payload::with_size(length));
    std::memcpy(large_->data(), at + wire::kLengthBytes, have);
    large_used_ = have;
    begin_ = end_ = 0;
  }
  return std::optional<ByteView>{};
}

std::optional<Payload> PacketReader::take_large() noexcept {
  if (!std::exchange(large_given_, false)) return std::nullopt;
  return std::exchange(large_, std::nullopt);
}

}  // namespace pyport::link
