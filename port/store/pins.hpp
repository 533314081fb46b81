// The positions that readers hold bytes from, in order. Usually none or one, and new ones come at
// the end. The caller locks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/check.hpp"

namespace pyport::store {

class Pins {
 public:
  void add(std::uint64_t position) {
    if (positions_.empty() || positions_.back() <= position)
      positions_.push_back(position);
    else
      positions_.insert(std::upper_bound(positions_.begin(), positions_.end(), position), position);
  }
  // REQUIRES: it was added.
  void remove(std::uint64_t position) {
    const auto at = std::lower_bound(positions_.begin(), positions_.end(), position);
    PYPORT_CHECK(at != positions_.end(), position);
    PYPORT_CHECK(*at == position, position, *at);
    positions_.erase(at);
  }
  void clear() noexcept { positions_.clear(); }
  // `position`, or the first pinned one if that is before it.
  [[nodiscard]] std::uint64_t oldest(std::uint64_t position) const noexcept {
    return positions_.empty() ? position : std::min(position, positions_.front());
  }

 private:
  std::vector<std::uint64_t> positions_;
};

}  // namespace pyport::store
