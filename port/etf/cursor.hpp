// A bounded reader of external terms: the one place that distrusts bytes.
//
// Nothing is read before its length was checked against what is left, so no input makes it touch a
// byte outside its view. The take_* functions return false and leave the position where it was when
// the view is too short. Every returned view points into the cursor's own and lives as long.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "etf/tags.hpp"

namespace pyport::etf {

inline constexpr std::size_t kOldFloatBytes = 31;

struct Atom {
  enum class Text { latin1, utf8 };
  ByteView name;
  Text text = Text::utf8;
};

class Cursor {
 public:
  explicit Cursor(ByteView bytes) noexcept
      : begin_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] std::size_t remaining() const noexcept {
    return static_cast<std::size_t>(end_ - at_);
  }
  [[nodiscard]] std::size_t offset() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }
  [[nodiscard]] ByteView rest() const noexcept { return {at_, remaining()}; }
  // What lies between an earlier offset() and here.
  [[nodiscard]] ByteView since(std::size_t offset) const noexcept {
    return {begin_ + offset, this->offset() - offset};
  }

  [[nodiscard]] bool peek_u8(std::uint8_t& value) const noexcept {
    if (at_ == end_) return false;
    value = *at_;
    return true;
  }
  [[nodiscard]] bool take_u8(std::uint8_t& value) noexcept {
    if (at_ == end_) return false;
    value = *at_++;
    return true;
  }
  [[nodiscard]] bool take_u16(std::uint16_t& value) noexcept {
    if (remaining() < sizeof value) return false;
    value = load_u16(at_);
    at_ += sizeof value;
    return true;
  }
  [[nodiscard]] bool take_u32(std::uint32_t& value) noexcept {
    if (remaining() < sizeof value) return false;
    value = load_u32(at_);
    at_ += sizeof value;
    return true;
  }
  [[nodiscard]] bool take_u64(std::uint64_t& value) noexcept {
    if (remaining() < sizeof value) return false;
    value = load_u64(at_);
    at_ += sizeof value;
    return true;
  }
  [[nodiscard]] bool take_bytes(std::size_t count, ByteView& bytes) noexcept {
    if (remaining() < count) return false;
    bytes = {at_, count};
    at_ += count;
    return true;
  }

  // Each takes one tag with its header. False: another tag, or too short; the position is
  // unchanged.
  [[nodiscard]] bool take_version() noexcept;
  [[nodiscard]] bool take_tuple(std::uint32_t& arity) noexcept;  // elements follow
  [[nodiscard]] bool take_map(std::uint32_t& pairs) noexcept;  // key, value, key, value ... follow
  [[nodiscard]] bool take_atom(Atom& atom) noexcept;
  [[nodiscard]] bool take_binary(ByteView& bytes) noexcept;

  // The bodies of NEW_FLOAT and of the old FLOAT (text), whose tag was taken. False: too short, no
  // number, or not finite, which Erlang has not; the position is unchanged.
  [[nodiscard]] bool take_float(double& value) noexcept;
  [[nodiscard]] bool take_old_float(double& value) noexcept;

  // Takes one whole term, checks everything in it (tags, lengths, counts, depth) and returns its
  // bytes. No recursion. A count is believed only when that many bytes are left.
  [[nodiscard]] Result<ByteView> skip_term();

 private:
  const std::uint8_t* begin_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace pyport::etf
