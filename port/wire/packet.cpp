#include "wire/packet.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "wire/message.hpp"

namespace pyport::wire {
namespace {

constexpr auto kBatch = static_cast<std::uint8_t>(Op::batch);

}  // namespace

PacketWalk::PacketWalk(ByteView content) noexcept
    : rest_(content), batch_(!content.empty() && content[0] == kBatch) {
  if (batch_) rest_ = content.subspan(1);
}

Result<ByteView> PacketWalk::next() {
  if (!batch_) return std::exchange(rest_, ByteView{});
  if (rest_.size() < kLengthBytes) {
    const std::size_t left = std::exchange(rest_, ByteView{}).size();
    return Error{Errc::protocol,
                 "a batch ends " + std::to_string(left) + " bytes into a length of 4"};
  }
  const std::size_t length = load_u32(rest_.data());
  const ByteView body = rest_.subspan(kLengthBytes);
  if (length == 0 || length > body.size()) {
    rest_ = {};
    return Error{Errc::protocol,
                 "a batch announces a message of " + std::to_string(length) + " bytes, " +
                     std::to_string(body.size()) + " are left"};
  }
  rest_ = body.subspan(length);
  return body.first(length);
}

PacketWalk::Run PacketWalk::same_as(ByteView message) noexcept {
  const std::uint8_t* const begin = message.data() - kLengthBytes;
  std::size_t count = 1;
  // What is malformed is left to next().
  for (; rest_.size() >= kLengthBytes + kControlHeaderBytes; ++count) {
    const std::size_t length = load_u32(rest_.data());
    if (length < kControlHeaderBytes || length > rest_.size() - kLengthBytes) break;
    if (std::memcmp(rest_.data() + kLengthBytes, message.data(), kControlHeaderBytes) != 0) break;
    rest_ = rest_.subspan(kLengthBytes + length);
  }
  return {{begin, static_cast<std::size_t>(rest_.data() - begin)}, count};
}

}  // namespace pyport::wire
