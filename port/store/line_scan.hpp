// Remembers how far a buffer was searched for a newline, so that no byte is searched twice while
// a line comes in pieces. The caller locks.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "core/bytes.hpp"
#include "store/view.hpp"

namespace pyport::store {

class LineScan {
 public:
  // The position of the first newline from `read` on; one behind `written` may be found if it is
  // known already.
  [[nodiscard]] std::optional<std::uint64_t> find(const View& view,
                                                  std::uint64_t read,
                                                  std::uint64_t written) noexcept {
    if (read < from_ || read > to_) restart(read);
    if (found_) return to_;
    if (to_ >= written) return std::nullopt;
    const ByteView fresh = view.bytes(to_, written);
    const void* const at = std::memchr(fresh.data(), '\n', fresh.size());
    found_ = at != nullptr;
    to_ =
        found_
            ? to_ + static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(at) - fresh.data())
            : written;
    if (found_) return to_;
    return std::nullopt;
  }

  // For who searches without the lock: the first position that was not searched yet (none if a
  // newline is known), and what was found from there.
  [[nodiscard]] std::optional<std::uint64_t> unsearched(std::uint64_t read) noexcept {
    if (read < from_ || read > to_) restart(read);
    if (found_) return std::nullopt;
    return to_;
  }
  void searched(std::uint64_t from, std::size_t count, bool found) noexcept {
    if (from != to_ || found_) return;  // somebody sought elsewhere meanwhile
    to_ = from + count;
    found_ = found;
  }

 private:
  void restart(std::uint64_t at) noexcept {
    from_ = to_ = at;
    found_ = false;
  }

  // No newline in [from_, to_); one at to_ if found_.
  std::uint64_t from_ = 0;
  std::uint64_t to_ = 0;
  bool found_ = false;
};

}  // namespace pyport::store
