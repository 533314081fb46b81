// Appends external terms to a Bytes. Grows it in steps and trims it in finish(), because a
// vector's push_back per byte is what encoding would otherwise spend its time on.
//
// REQUIRES: nobody else touches the Bytes between construction and finish() (or the destructor).
#pragma once

#include <bit>
#include <cstring>
#include <string_view>

#include "core/bytes.hpp"
#include "core/check.hpp"
#include "etf/tags.hpp"

namespace pyport::etf {

class Writer {
 public:
  explicit Writer(Bytes& out) noexcept : out_(out), start_(out.size()), used_(out.size()) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { finish(); }

  // Trims the Bytes to what was written.
  void finish() { out_.resize(used_); }
  // Takes back what was written since construction, or since an earlier size().
  void rewind(std::size_t size = 0) noexcept { used_ = start_ + size; }
  // Bytes written by this writer.
  [[nodiscard]] std::size_t size() const noexcept { return used_ - start_; }

  // The same bytes, until the next of them is written.
  [[nodiscard]] ByteView written() const noexcept { return {out_.data() + start_, size()}; }

  // `count` writable bytes at the end, which the caller fills.
  [[nodiscard]] std::uint8_t* extend(std::size_t count) {
    if (out_.size() - used_ < count) [[unlikely]]
      grow(count);
    std::uint8_t* at = out_.data() + used_;
    used_ += count;
    return at;
  }

  void version() { *extend(1) = tag::kVersion; }
  void nil() { *extend(1) = tag::kNil; }
  void list(std::uint32_t count) { tag_u32(tag::kList, count); }  // then the elements, then nil()
  void map(std::uint32_t pairs) { tag_u32(tag::kMap, pairs); }
  void tuple(std::uint32_t arity) {
    if (arity > 255) return tag_u32(tag::kLargeTuple, arity);
    std::uint8_t* at = extend(2);
    at[0] = tag::kSmallTuple;
    at[1] = static_cast<std::uint8_t>(arity);
  }
  // An atom in UTF-8. REQUIRES: at most 255 characters, hence at most 1020 bytes.
  void atom(std::string_view name) {
    PYPORT_CHECK(name.size() <= 1020, name.size());
    const bool is_short = name.size() <= 255;
    std::uint8_t* at = extend(name.size() + (is_short ? 2 : 3));
    *at++ = is_short ? tag::kSmallAtomUtf8 : tag::kAtomUtf8;
    if (!is_short) *at++ = static_cast<std::uint8_t>(name.size() >> 8);
    *at++ = static_cast<std::uint8_t>(name.size());
    copy(at, as_bytes(name));
  }
  // REQUIRES: fewer than 2^32 bytes; the term limit lies far below.
  void binary(ByteView bytes) {
    PYPORT_CHECK(bytes.size() <= 0xffff'ffffU, bytes.size());
    std::uint8_t* at = extend(bytes.size() + 5);
    at[0] = tag::kBinary;
    store_u32(at + 1, static_cast<std::uint32_t>(bytes.size()));
    copy(at + 5, bytes);
  }
  void binary(std::string_view text) { binary(as_bytes(text)); }
  void integer(std::int64_t value) {
    if (value >= 0 && value <= 255) {
      std::uint8_t* at = extend(2);
      at[0] = tag::kSmallInteger;
      at[1] = static_cast<std::uint8_t>(value);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
      tag_u32(tag::kInteger, static_cast<std::uint32_t>(value));
    } else {
      const bool negative = value < 0;
      // Negation in unsigned arithmetic: INT64_MIN has no positive counterpart.
      big(negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value),
          negative ? 1 : 0);
    }
  }
  void unsigned_integer(std::uint64_t value) {
    if (value <= INT64_MAX) return integer(static_cast<std::int64_t>(value));
    big(value, 0);
  }
  void floating(double value) {
    std::uint8_t* at = extend(9);
    at[0] = tag::kNewFloat;
    store_u64(at + 1, std::bit_cast<std::uint64_t>(value));
  }
  // Bytes that already are a term, or a part of one.
  void raw(ByteView bytes) { copy(extend(bytes.size()), bytes); }

 private:
  static void copy(std::uint8_t* to, ByteView bytes) noexcept {
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  }
  void tag_u32(std::uint8_t tag, std::uint32_t value) {
    std::uint8_t* at = extend(5);
    at[0] = tag;
    store_u32(at + 1, value);
  }
  void big(std::uint64_t magnitude, std::uint8_t sign) {
    std::uint8_t digits[8];
    std::uint8_t count = 0;
    for (; magnitude != 0; magnitude >>= 8)
      digits[count++] = static_cast<std::uint8_t>(magnitude);
    std::uint8_t* at = extend(std::size_t{3} + count);
    at[0] = tag::kSmallBig;
    at[1] = count;
    at[2] = sign;
    std::memcpy(at + 3, digits, count);
  }
  void grow(std::size_t count) {
    constexpr std::size_t kFirstBytes = 128;
    out_.resize(used_ + count + (used_ < kFirstBytes ? kFirstBytes : used_));
  }

  Bytes& out_;
  std::size_t start_;  // the size of out_ that was there before us
  std::size_t used_;   // the size that finish() gives it
};

}  // namespace pyport::etf
