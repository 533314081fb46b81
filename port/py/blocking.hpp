// The one way to block in the store (a read of a buffer, of a channel) from Python code.
//
// A context's thread that sleeps within a request lets go of the GIL. It reads the link meanwhile
// (block_reading) or tells the dispatcher that its run may last, so that somebody else does
// (block). An interrupt of its request ends the wait and
// becomes one KeyboardInterrupt. Threads that Python code started just sleep: nothing interrupts
// them.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "link/answer_writer.hpp"
#include "link/dispatcher.hpp"
#include "link/reading_sleep.hpp"
#include "py/gil.hpp"
#include "py/run_stats.hpp"
#include "store/interrupt.hpp"
#include "store/wait_list.hpp"
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
                 link::Inbox& inbox,
                 link::AnswerWriter& writer,
                 const WakeFd& reader_wake,
                 store::InterruptPoint& point,
                 Interrupts interrupts) noexcept;
  ~BlockingThread();
  BlockingThread(const BlockingThread&) = delete;
  BlockingThread& operator=(const BlockingThread&) = delete;

  // Null on a thread that Python code started.
  [[nodiscard]] static BlockingThread* current() noexcept;

  // What was noted about the last request does not concern the next one.
  void begin_request() noexcept { runs_since_ = kNever; }
  // A wait by itself, or one that reads the link.
  enum class Reads : bool { no, yes };
  // False: a Python exception is set, because there is an interrupt or a signal already.
  [[nodiscard]] bool before_wait(Reads reads) PYPORT_REQUIRES(gil);
  // A wait that read the link is over, and the request goes on.
  void after_reading() PYPORT_REQUIRES(gil);
  // Whether the wait goes on; false: an exception is set. A request that was interrupted while it
  // ran Python code got its exception there: its point says so once more, to nobody's harm.
  [[nodiscard]] bool after_interrupt() PYPORT_REQUIRES(gil);
  // Until when to sleep at most: a handler of a signal that Python code installed waits for the
  // main thread, and no signal ends a wait for a condition variable.
  [[nodiscard]] TimePoint wake_at(TimePoint until) const noexcept;
  [[nodiscard]] store::InterruptPoint& point() noexcept { return point_; }
  [[nodiscard]] const std::shared_ptr<Sleep>& sleep() const noexcept { return sleep_; }

 private:
  link::Dispatcher& dispatcher_;
  link::AnswerWriter& writer_;
  const WakeFd& reader_wake_;
  store::InterruptPoint& point_;
  const Interrupts interrupts_;
  // Owners: the thread, and who is about to wake it.
  const std::shared_ptr<Sleep> sleep_;
  // How long a request goes on between two waits that read the link, and since when it does.
  RunStats runs_;
  TimePoint runs_since_ = kNever;
};

// The sleep of the calling thread: of its context, or of its own. Lives as long as the thread.
[[nodiscard]] const std::shared_ptr<Sleep>& this_sleep() noexcept;

// Runs `wait(point, until)`, which blocks in the store, without the GIL. Nullopt: an exception is
// set.
template <class Wait>
[[nodiscard]] std::optional<store::Wait> block(
    TimePoint until, const Wait& wait, BlockingThread::Reads reads = BlockingThread::Reads::no)
    PYPORT_REQUIRES(gil) {
  using Outcome = store::Wait;
  BlockingThread* const thread = BlockingThread::current();
  if (thread != nullptr && !thread->before_wait(reads)) return std::nullopt;
  for (;;) {
    const TimePoint wake_at = thread == nullptr ? until : thread->wake_at(until);
    store::InterruptPoint* const point = thread == nullptr ? nullptr : &thread->point();
    Outcome outcome = Outcome::ready;
    {
      const GilReleased released;
      outcome = wait(point, wake_at);
    }
    const bool early = outcome == Outcome::timed_out && wake_at < until;
    if (outcome != Outcome::interrupted && !early) {
      if (thread != nullptr && reads == BlockingThread::Reads::yes) thread->after_reading();
      return outcome;
    }
    if (thread != nullptr && !thread->after_interrupt()) return std::nullopt;
  }
}

// The same for `wait(point, until, sleep)`, which sleeps with the Sleep that it is given: a
// context's thread reads the link meanwhile.
template <class Wait>
[[nodiscard]] std::optional<store::Wait> block_reading(TimePoint until, const Wait& wait)
    PYPORT_REQUIRES(gil) {
  const auto with_sleep = [&wait](store::InterruptPoint* point, TimePoint wake_at) {
    return wait(point, wake_at, this_sleep());
  };
  return block(until, with_sleep, BlockingThread::Reads::yes);
}

}  // namespace pyport::py
