// Raw bytes and their big-endian integers. The load functions trust their caller: who reads bytes
// that somebody else wrote goes through etf::Cursor, which checks first.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace pyport {

// What resize() adds is not initialised: zeroing a megabyte that is filled next takes as long as
// filling it.
template <class T>
struct UninitialisedAllocator : std::allocator<T> {
  template <class U>
  struct rebind {  // NOLINT(readability-identifier-naming) -- the standard names it
    using other = UninitialisedAllocator<U>;
  };
  UninitialisedAllocator() noexcept = default;
  template <class U>
  // NOLINTNEXTLINE(google-explicit-constructor) -- allocators convert
  UninitialisedAllocator(const UninitialisedAllocator<U>&) noexcept {}
  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;  // tidy: allow new-delete -- placement, without a value
  }
  template <class U, class... Arguments>
  void construct(U* at, Arguments&&... arguments) {
    std::construct_at(at, std::forward<Arguments>(arguments)...);
  }
};

using Bytes = std::vector<std::uint8_t, UninitialisedAllocator<std::uint8_t>>;
using ByteView = std::span<const std::uint8_t>;

// REQUIRES: `from` points at as many readable bytes as the name says.
[[nodiscard]] inline std::uint16_t load_u16(const std::uint8_t* from) noexcept {
  std::uint16_t raw = 0;
  std::memcpy(&raw, from, sizeof raw);
  return __builtin_bswap16(raw);
}
[[nodiscard]] inline std::uint32_t load_u32(const std::uint8_t* from) noexcept {
  std::uint32_t raw = 0;
  std::memcpy(&raw, from, sizeof raw);
  return __builtin_bswap32(raw);
}
[[nodiscard]] inline std::uint64_t load_u64(const std::uint8_t* from) noexcept {
  std::uint64_t raw = 0;
  std::memcpy(&raw, from, sizeof raw);
  return __builtin_bswap64(raw);
}

// REQUIRES: `to` points at as many writable bytes as the name says.
inline void store_u16(std::uint8_t* to, std::uint16_t value) noexcept {
  value = __builtin_bswap16(value);
  std::memcpy(to, &value, sizeof value);
}
inline void store_u32(std::uint8_t* to, std::uint32_t value) noexcept {
  value = __builtin_bswap32(value);
  std::memcpy(to, &value, sizeof value);
}
inline void store_u64(std::uint8_t* to, std::uint64_t value) noexcept {
  value = __builtin_bswap64(value);
  std::memcpy(to, &value, sizeof value);
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the swaps above assume it");

inline void put_u8(Bytes& out, std::uint8_t value) {
  out.push_back(value);
}
inline void put_u16(Bytes& out, std::uint16_t value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof value);
  store_u16(out.data() + at, value);
}
inline void put_u32(Bytes& out, std::uint32_t value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof value);
  store_u32(out.data() + at, value);
}
inline void put_u64(Bytes& out, std::uint64_t value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof value);
  store_u64(out.data() + at, value);
}
// Not insert(): with an allocator of its own a vector copies byte by byte.
inline void put_bytes(Bytes& out, ByteView bytes) {
  if (bytes.empty()) return;
  const std::size_t at = out.size();
  out.resize(at + bytes.size());
  std::memcpy(out.data() + at, bytes.data(), bytes.size());
}

// The same memory under another type; lives as long as the argument's.
[[nodiscard]] inline std::string_view as_chars(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline ByteView as_bytes(std::string_view chars) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(chars.data()), chars.size()};
}

}  // namespace pyport
