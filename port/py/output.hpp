// What Python code prints, as OUTPUT messages (docs/protocol.md).
//
// `sys.stdout` and `sys.stderr` become line-wise streams whose lines carry the number of the
// context that printed them. Lines beyond the rate are counted, not sent, and one line says how
// many, so that a flood cannot drown the link.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "link/answer_writer.hpp"
#include "py/ref.hpp"
#include "sys/clock.hpp"
#include "sys/mutex.hpp"
#include "sys/wake_fd.hpp"
#include "wire/message.hpp"

namespace pyport::py {

// The tag of lines printed by threads that belong to no context.
inline constexpr std::uint64_t kNoContext = 0xffff'ffff;

struct OutputLimits {
  double lines_per_s = 1000;
  double burst_lines = 2000;
  std::size_t line_bytes_max = 8192;  // longer lines go out in pieces
};

class Output {
 public:
  // `reader_wake` wakes whoever reads the link, to write what the pipe did not take.
  Output(link::AnswerWriter& writer, const WakeFd& reader_wake, const OutputLimits& limits) noexcept
      : writer_(writer), reader_wake_(reader_wake), limits_(limits), tokens_(limits.burst_lines) {}
  ~Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Replaces sys.stdout and sys.stderr. False: a Python exception is set. Once; this object must
  // outlive the interpreter.
  [[nodiscard]] bool install() PYPORT_REQUIRES(gil);

  // Lines that this thread prints from now on belong to `context`.
  static void tag_this_thread(std::uint64_t context) noexcept;

  // Text of any length; whole lines are sent, the rest waits for its newline or end_of_request().
  void write(wire::Stream stream, std::string_view text) PYPORT_EXCLUDES(mutex_);

  // Sends what this thread printed without a newline: nothing is held back longer than a request.
  void end_of_request() PYPORT_EXCLUDES(mutex_);

  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_total_.load(); }

 private:
  // One line, or one piece of a line that is too long.
  void send(wire::Stream stream, std::string_view line) PYPORT_EXCLUDES(mutex_);
  // Sends a line in pieces of at most the limit, and the rest of it if that is the end.
  enum class Rest { keep, send };
  [[nodiscard]] std::string_view send_pieces(wire::Stream stream, std::string_view line, Rest rest)
      PYPORT_EXCLUDES(mutex_);
  [[nodiscard]] bool admit() PYPORT_REQUIRES(mutex_);

  link::AnswerWriter& writer_;
  const WakeFd& reader_wake_;
  const OutputLimits limits_;
  std::atomic<std::uint64_t> dropped_total_{0};

  Mutex mutex_;
  double tokens_ PYPORT_GUARDED_BY(mutex_);
  TimePoint refilled_ PYPORT_GUARDED_BY(mutex_) = Clock::now();
  std::uint64_t dropped_ PYPORT_GUARDED_BY(mutex_) = 0;  // since the last line that said so
};

}  // namespace pyport::py
