// How long a function's runs take on average: decides whether somebody else must read the link and
// send the waiting answers while it runs.
#pragma once

#include "sys/clock.hpp"

namespace pyport::py {

class RunStats {
 public:
  // Unknown functions count as slow.
  [[nodiscard]] bool slow() const noexcept { return !known_ || average_ > kSlow; }

  void note(Clock::duration run) noexcept {
    average_ = known_ ? average_ + (run - average_) / kWeight : run;
    known_ = true;
  }

 private:
  // Ten times what waking the standby thread and taking the token back costs.
  static constexpr microseconds kSlow{1000};
  static constexpr int kWeight = 8;

  bool known_ = false;
  Clock::duration average_{};
};

}  // namespace pyport::py
