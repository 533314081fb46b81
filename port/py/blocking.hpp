// The one way to block in the store (a read of a buffer, of a channel) from Python code.
//
// A context's thread that sleeps within a request lets go of the GIL. It reads the link meanwhile
// (block_reading) or tells the dispatcher that its run may last, so that somebody else does
// (block). An interrupt of its request ends the wait and
// becomes one KeyboardInterrupt. Threads that Python code started just sleep: nothing interrupts
// them.
//
// Whatever ends a wait, what was waited for is taken afterwards, with the GIL and only if no
// exception is due: so an interrupt that comes together with a message leaves it where it is.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

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
  // A wait has ended. False: an exception is set, and nothing may be taken. A request that was
  // interrupted while it ran Python code got its exception there: its point says so once more, to
  // nobody's harm.
  [[nodiscard]] bool after_wait() PYPORT_REQUIRES(gil);
  // Until when to sleep at most: a handler of a signal that Python code installed waits for the
  // main thread, and no signal ends a wait for a condition variable.
  [[nodiscard]] TimePoint wake_at(TimePoint until) const noexcept;
  [[nodiscard]] store::InterruptPoint& point() noexcept { return point_; }
  [[nodiscard]] const std::shared_ptr<Sleep>& sleep() const noexcept { return sleep_; }

  // One wait of a thread (null: it is no context's), and its place in line (null: it has none). A
  // handler of a signal runs within a wait of the main thread. If it waits itself, for what may be
  // kept for that very place, nothing is kept meanwhile: the place is left.
  class InWait {
   public:
    InWait(BlockingThread* thread, store::Place* place);
    ~InWait();
    InWait(const InWait&) = delete;
    InWait& operator=(const InWait&) = delete;
    // Whether the place was left since the last call.
    [[nodiscard]] bool lost() noexcept { return std::exchange(lost_, false); }

   private:
    BlockingThread* const thread_;
    store::Place* const place_;
    InWait* outer_ = nullptr;
    bool lost_ = false;
  };

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
  InWait* in_wait_ = nullptr;  // the innermost
};

// Sets the exception that another thread set for this one, and takes it from there, so that it does
// not come again at the next bytecode. False: there was one.
[[nodiscard]] bool check_async_exception() PYPORT_REQUIRES(gil);

// The sleep of the calling thread: of its context, or of its own. Lives as long as the thread.
[[nodiscard]] const std::shared_ptr<Sleep>& this_sleep() noexcept;

// Runs `wait(point, until)`, which blocks in the store, without the GIL. Nullopt: an exception is
// set.
template <class Wait>
[[nodiscard]] std::optional<store::Wait> block(
    TimePoint until,
    const Wait& wait,
    BlockingThread::Reads reads = BlockingThread::Reads::no,
    store::Place* place = nullptr) PYPORT_REQUIRES(gil) {
  using Outcome = store::Wait;
  BlockingThread* const thread = BlockingThread::current();
  BlockingThread::InWait in_wait(thread, place);
  if (thread != nullptr && !thread->before_wait(reads)) return std::nullopt;
  for (;;) {
    const TimePoint wake_at = thread == nullptr ? until : thread->wake_at(until);
    store::InterruptPoint* const point = thread == nullptr ? nullptr : &thread->point();
    Outcome outcome = Outcome::ready;
    {
      const GilReleased released;
      outcome = wait(point, wake_at);
    }
    if (!(thread == nullptr ? check_async_exception() : thread->after_wait())) return std::nullopt;
    const bool early = outcome == Outcome::timed_out && wake_at < until;
    if (outcome == Outcome::interrupted || early || in_wait.lost()) continue;
    if (thread != nullptr && reads == BlockingThread::Reads::yes) thread->after_reading();
    return outcome;
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

// The same for a place in line, made with this_sleep(). `before` runs before each sleep, without
// the GIL.
template <class Before>
[[nodiscard]] std::optional<store::Wait> block_in_line(TimePoint until,
                                                       store::Place& place,
                                                       const Before& before) PYPORT_REQUIRES(gil) {
  const auto wait = [&place, &before](store::InterruptPoint* point, TimePoint wake_at) {
    before();
    return place.await(wake_at, point);
  };
  return block(until, wait, BlockingThread::Reads::yes, &place);
}

}  // namespace pyport::py
