// The small terms of control messages, read and written through libei. libei takes no buffer
// length, so each term first passes etf::Cursor::skip_term: libei only sees what is whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/bytes.hpp"
#include "core/result.hpp"

namespace pyport::etf {

// #{protocol := N}; other keys are ignored, so that later versions can add some.
[[nodiscard]] Result<std::uint32_t> read_hello(ByteView term);

// {Context, #{kill_after => Milliseconds | infinity}}; other keys are an error.
struct ContextOpen {
  std::uint32_t context = 0;
  std::optional<std::uint64_t> kill_after_ms;  // none: infinity, or not given
  bool kill_after_given = false;
};
[[nodiscard]] Result<ContextOpen> read_context_open(ByteView term);

// A context number.
[[nodiscard]] Result<std::uint32_t> read_context(ByteView term);

// Any other number: that of a buffer.
[[nodiscard]] Result<std::uint64_t> read_natural(ByteView term);

// Builds one term, version byte included. Calls chain: map(1).atom("a").integer(1).
class ControlWriter {
 public:
  ControlWriter();
  ~ControlWriter();
  ControlWriter(const ControlWriter&) = delete;
  ControlWriter& operator=(const ControlWriter&) = delete;

  ControlWriter& map(std::uint32_t pairs);    // 2 * pairs terms follow
  ControlWriter& tuple(std::uint32_t arity);  // arity terms follow
  ControlWriter& atom(std::string_view name);
  ControlWriter& binary(std::string_view bytes);
  ControlWriter& integer(std::uint64_t value);

  [[nodiscard]] Bytes bytes() const;

 private:
  struct Buffer;
  std::unique_ptr<Buffer> buffer_;
};

}  // namespace pyport::etf
