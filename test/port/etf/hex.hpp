// Bytes spelt in tests.
#pragma once

#include <string_view>

#include "core/bytes.hpp"

namespace pyport::test {

// "83 61 05" -> three bytes. Blanks are ignored; what is in 'quotes' stands for itself.
[[nodiscard]] inline Bytes hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  Bytes out;
  bool is_quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\'') {
      is_quoted = !is_quoted;
    } else if (is_quoted) {
      out.push_back(static_cast<std::uint8_t>(text[at]));
    } else if (text[at] != ' ') {
      out.push_back(static_cast<std::uint8_t>(digit(text[at]) * 16 + digit(text[at + 1])));
      ++at;
    }
  }
  return out;
}

}  // namespace pyport::test
