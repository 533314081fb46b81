// What kind of text some bytes are, by the rules of CPython's strict decoder: no overlong forms, no
// surrogates, nothing above U+10FFFF. Asked before decoding, because a failed decode in CPython
// builds an exception that copies the whole input.
#pragma once

#include "core/bytes.hpp"

namespace pyport {

enum class TextKind { ascii, utf8, other };

namespace detail {

// Length of the ASCII prefix.
[[nodiscard]] inline std::size_t ascii_prefix(ByteView bytes) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;
  std::size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    std::uint64_t words[4];
    std::memcpy(words, bytes.data() + at, sizeof words);
    if (((words[0] | words[1] | words[2] | words[3]) & kHighBits) != 0) break;
  }
  while (at < bytes.size() && bytes[at] < 0x80)
    ++at;
  return at;
}

// Length of the sequence at `at`, 0 when it is none. REQUIRES: at < bytes.size().
[[nodiscard]] inline std::size_t utf8_sequence(ByteView bytes, std::size_t at) noexcept {
  const std::uint8_t lead = bytes[at];
  if (lead < 0x80) return 1;
  const std::size_t count = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() - at < count) return 0;
  // The second byte excludes overlong forms, surrogates and what lies above U+10FFFF.
  const std::uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const std::uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (bytes[at + 1] < low || bytes[at + 1] > high) return 0;
  for (std::size_t next = 2; next < count; ++next)
    if ((bytes[at + next] & 0xc0) != 0x80) return 0;
  return count;
}

}  // namespace detail

[[nodiscard]] inline TextKind text_kind(ByteView bytes) noexcept {
  std::size_t at = detail::ascii_prefix(bytes);
  if (at == bytes.size()) return TextKind::ascii;
  while (at < bytes.size()) {
    const std::size_t count = detail::utf8_sequence(bytes, at);
    if (count == 0) return TextKind::other;
    at += count;
  }
  return TextKind::utf8;
}

// The longest prefix of at most `bytes_max` bytes that does not cut a character of valid UTF-8.
[[nodiscard]] inline std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  return text.substr(0, end);
}

}  // namespace pyport
