// Limits of the codec and of the Python types. docs/limits.md lists them; each has a test that
// reaches it. What an operator may change lives in config, with its default taken from here.
#pragma once

#include <cstddef>

namespace pyport::limits {

inline constexpr std::size_t kTermDepthMax = 200;
inline constexpr std::size_t kTermBytesMaxDefault = std::size_t{64} << 20;  // one packet
// The largest integer that OTP 25.2 reads back (measured 2026-11); other releases may read less.
inline constexpr std::size_t kIntegerBytesMax = 4'194'296;

inline constexpr std::size_t kNameCacheCountMax = 2048;
inline constexpr std::size_t kNameCacheBytesMax = 64;  // longer names are not cached

inline constexpr std::size_t kAtomCharsMax = 255;     // Erlang's own limit
inline constexpr std::size_t kAtomCountMax = 10'000;  // distinct atoms that Python code may make

inline constexpr std::size_t kErrorMessageBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kTracebackBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kTracebackFramesMax = 64;
inline constexpr std::size_t kErrorNotesMax = 32;
inline constexpr std::size_t kErrorCausesMax = 8;

inline constexpr std::size_t kDecrefQueueCountMax = std::size_t{1} << 20;

static_assert(kNameCacheBytesMax <= kAtomCharsMax);
static_assert((kNameCacheCountMax & (kNameCacheCountMax - 1)) == 0, "the cache masks its index");
static_assert(kErrorMessageBytesMax + kTracebackBytesMax < kTermBytesMaxDefault);

}  // namespace pyport::limits
