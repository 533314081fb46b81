// Messages that Python code sends to the BEAM while its request runs, many at a time or one now and
// then.
//
// One that comes alone is written at once. Those that follow closely are queued and written
// together: by the sender after a while or from kTogetherBytes on, by whoever flushes the link
// meanwhile (a context that ends a request or waits), or at the latest by a thread that looks again
// and again while there is such traffic.
#pragma once

#include <atomic>

#include "link/answer_writer.hpp"
#include "sys/clock.hpp"
#include "sys/mutex.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::link {

class Outgoing {
 public:
  // A write costs a microsecond and wakes the BEAM; a sender in a loop makes a message in less.
  struct Pace {
    microseconds closely{3};    // what comes sooner after another does not come alone
    microseconds together{50};  // how long it may be queued
  };
  Outgoing(AnswerWriter& writer, const WakeFd& reader_wake) noexcept
      : Outgoing(writer, reader_wake, Pace{}) {}
  Outgoing(AnswerWriter& writer, const WakeFd& reader_wake, Pace pace) noexcept
      : writer_(writer), reader_wake_(reader_wake), pace_(pace) {}

  // Queues a message. Any thread; never blocks, allowed with the GIL.
  void send(ByteView message) PYPORT_EXCLUDES(mutex_);

  // The life of the thread that writes what nobody else has written.
  [[noreturn]] void run() PYPORT_EXCLUDES(mutex_);
  // What it does before it sleeps: the next sender wakes it, and what was queued before is written.
  void stop_watching() noexcept;

 private:
  void write() noexcept;
  void pause() PYPORT_EXCLUDES(mutex_);

  AnswerWriter& writer_;
  const WakeFd& reader_wake_;
  const Pace pace_;
  std::atomic<Clock::rep> sent_at_{0};  // since the epoch of the clock, as the next
  std::atomic<Clock::rep> written_at_{0};
  std::atomic<bool> watched_{false};  // the thread looks
  Mutex mutex_;
  CondVar wanted_;
};

}  // namespace pyport::link
