// Time as pyport counts it: monotonic, with one value that means "never".
#pragma once

#include <chrono>

namespace pyport {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using std::chrono::microseconds;
using std::chrono::milliseconds;

inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace pyport
