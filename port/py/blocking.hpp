// The one way to block in the store (a read of a buffer, of a channel) from Python code.
//
// Before a context's thread sleeps it tells the dispatcher that its run may last, so that somebody
// else reads the link, and lets go of the GIL. An interrupt of its request ends the wait and
// becomes one KeyboardInterrupt. Threads that Python code started just sleep: nothing interrupts
// them.
#pragma once

#include <algorithm>
#include <optional>

#include "link/answer_writer.hpp"
#include "link/dispatcher.hpp"
#include "py/gil.hpp"
#include "store/buffer.hpp"
#include "store/interrupt.hpp"
#include "sys/clock.hpp"
#include "sys/descriptors.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::py {

// How a running request is interrupted: the main thread by a signal, which also ends blocking
// system calls; any other by an exception at its next bytecode.
enum class Interrupts { by_signal, by_exception };

// What blocking needs to know of a context's thread; current() on that thread while it lives.
class BlockingThread {
 public:
  BlockingThread(link::Dispatcher& dispatcher,
                 link::AnswerWriter& writer,
                 const WakeFd& reader_wake,
                 store::InterruptPoint& point,
                 Interrupts interrupts) noexcept;
  ~BlockingThread();
  BlockingThread(const BlockingThread&) = delete;
  BlockingThread& operator=(const BlockingThread&) = delete;

  // Null on a thread that Python code started.
  [[nodiscard]] static BlockingThread* current() noexcept;

  // False: a Python exception is set, because there is an interrupt or a signal already.
  [[nodiscard]] bool before_wait() PYPORT_REQUIRES(gil);
  // Whether the wait goes on; false: an exception is set. A request that was interrupted while it
  // ran Python code got its exception there: its point says so once more, to nobody's harm.
  [[nodiscard]] bool after_interrupt() PYPORT_REQUIRES(gil);
  // Until when to sleep at most: a handler of a signal that Python code installed waits for the
  // main thread, and no signal ends a wait for a condition variable.
  [[nodiscard]] TimePoint wake_at(TimePoint until) const noexcept;
  [[nodiscard]] store::InterruptPoint& point() noexcept { return point_; }

 private:
  link::Dispatcher& dispatcher_;
  link::AnswerWriter& writer_;
  const WakeFd& reader_wake_;
  store::InterruptPoint& point_;
  const Interrupts interrupts_;
};

// Runs `wait(point, until)`, which blocks in the store, without the GIL. Nullopt: an exception is
// set.
template <class Wait>
[[nodiscard]] std::optional<store::Buffer::Wait> block(TimePoint until, const Wait& wait)
    PYPORT_REQUIRES(gil) {
  using Outcome = store::Buffer::Wait;
  BlockingThread* const thread = BlockingThread::current();
  if (thread != nullptr && !thread->before_wait()) return std::nullopt;
  for (;;) {
    const TimePoint wake_at = thread == nullptr ? until : thread->wake_at(until);
    store::InterruptPoint* const point = thread == nullptr ? nullptr : &thread->point();
    Outcome outcome = Outcome::ready;
    {
      const GilReleased released;
      outcome = wait(point, wake_at);
    }
    const bool early = outcome == Outcome::timed_out && wake_at < until;
    if (outcome != Outcome::interrupted && !early) return outcome;
    if (thread != nullptr && !thread->after_interrupt()) return std::nullopt;
  }
}

}  // namespace pyport::py
