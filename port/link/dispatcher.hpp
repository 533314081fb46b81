// Who reads the link, and which context gets what was read.
//
// Leader and follower: an idle context thread holds the *reader token*, reads the link, and gives
// the token away before it runs Python; it takes it back when it is done. So a call wakes no other
// thread. The standby thread (run_standby) reads while a run lasts, and enforces deadlines.
//
// The token is one of:
//   nobody    every context runs, or is about to; the standby takes over after a tick
//   context   the thread inside next() or read_until() that reads
//   standby   the standby thread; an idle context asks for the token and gets it
//
// Thread rule: nobody holds the GIL in next(), read_until() and run_standby(); take(), finish() and
// the others hold the mutex for a few instructions and may be called with it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/result.hpp"
#include "link/answer_writer.hpp"
#include "link/inbox.hpp"
#include "link/request.hpp"
#include "sys/clock.hpp"
#include "sys/mutex.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::link {

// What the dispatcher needs from below: the link as something to wait for and to process.
class Source {
 public:
  virtual ~Source() = default;
  // Spins, then blocks until there is input, `until`, or a wake(). May return early.
  enum class Spin { yes, no };
  virtual void wait(Spin spin, TimePoint until) = 0;
  // Reads what is there and hands it on: run messages to Dispatcher::submit, the rest to
  // whoever they concern. REQUIRES: the caller has the reader token.
  virtual void process() = 0;
  // Ends a wait() of another thread. Any thread.
  virtual void wake() noexcept = 0;
};

// What the dispatcher needs from above.
class Interrupter {
 public:
  virtual ~Interrupter() = default;
  // Asks that request `id`, if `context` still runs it, is interrupted. Any thread; must not block.
  virtual void interrupt(std::uint32_t context, std::uint64_t id) noexcept = 0;
};

struct DispatchLimits {
  std::size_t queued_max = 65536;        // requests in all inboxes
  microseconds spin{0};                  // of one context that waits while another one reads
  milliseconds tick{10};                 // how long the link may go unread while Python runs
  std::uint64_t resident_bytes_max = 0;  // 0: no limit
};

class Dispatcher {
 public:
  Dispatcher(AnswerWriter& writer, const DispatchLimits& limits);
  ~Dispatcher() = default;
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Once, before any other function.
  void connect(Source& source, Interrupter& interrupter) noexcept;

  // --- contexts ---

  // A new inbox; null when `context` exists. The reference lives as long as the Dispatcher, unless
  // the context's thread calls forget().
  Inbox* open(std::uint32_t context, std::optional<milliseconds> kill_after)
      PYPORT_EXCLUDES(mutex_);
  // Answers what is queued with `context_destroyed`, interrupts what runs, and lets the thread end.
  // False: there is no such context.
  bool close(std::uint32_t context) PYPORT_EXCLUDES(mutex_);
  // The last thing a context's thread does. `inbox` is gone afterwards.
  void forget(Inbox& inbox) PYPORT_EXCLUDES(mutex_);

  // --- a context's thread ---

  // Blocks until there is a request for `inbox` (true) or it was closed (false). Reads the link
  // meanwhile if nobody else does. Without the GIL.
  bool next(Inbox& inbox) PYPORT_EXCLUDES(mutex_);
  // The next request, which counts as running until finish(). Expired ones are answered here.
  std::optional<Request> take(Inbox& inbox) PYPORT_EXCLUDES(mutex_);
  struct Finished {
    bool answer;       // the request still wants its answer
    bool interrupted;  // an interrupt was delivered and may still be pending in the thread
  };
  Finished finish(Inbox& inbox) PYPORT_EXCLUDES(mutex_);
  // A run begins that may last: somebody else is to read the link from now on.
  void expect_long_run() PYPORT_EXCLUDES(mutex_);
  // The thread blocks within its request until `over` is set, or `until`; it reads the link
  // meanwhile as next() does. Without the GIL.
  void read_until(Inbox& inbox, const std::atomic<bool>& over, TimePoint until)
      PYPORT_EXCLUDES(mutex_);
  // Another thread has set the `over` of a read_until(), if `context` is in one. Any thread.
  void nudge(std::uint32_t context) noexcept PYPORT_EXCLUDES(mutex_);
  // Wakes the contexts that a reader left asleep while it ran its own requests. Call it when those
  // are done, without the GIL.
  void wake_others() PYPORT_EXCLUDES(mutex_);
  // Runs `deliver` under the mutex if `context` still runs `id`, and notes the interrupt. What
  // `deliver` does must be visible to the thread before the mutex is free, and must not block.
  template <class Deliver>
  bool deliver_interrupt(std::uint32_t context, std::uint64_t id, const Deliver& deliver)
      PYPORT_EXCLUDES(mutex_) {
    if (id == 0) return false;  // nothing runs
    MutexLock lock(mutex_);
    const auto at = inboxes_.find(context);
    if (at == inboxes_.end() || at->second->running_.id != id) return false;
    at->second->running_.interrupted = true;
    ++interrupts_total_;
    deliver();
    return true;
  }

  // --- who reads the link ---

  // Queues what was read, in order, and empties `requests`. Wakes the contexts concerned; a reader
  // that has work itself does so later (wake_others()), any other thread at once, and a context
  // that reads the link stops waiting for it.
  enum class Submitter { reader, other };
  void submit(std::vector<Request>& requests, Submitter submitter = Submitter::reader)
      PYPORT_EXCLUDES(mutex_);
  // Nobody waits for request `id` any more: forget it, or interrupt it.
  void cancel(std::uint64_t id) PYPORT_EXCLUDES(mutex_);
  // Interrupts what `context` runs. False: nothing runs there.
  bool interrupt(std::uint32_t context) PYPORT_EXCLUDES(mutex_);

  // The standby thread's life. Returns after stop().
  void run_standby() PYPORT_EXCLUDES(mutex_);
  void stop() PYPORT_EXCLUDES(mutex_);

  struct Counts {
    std::size_t contexts;
    std::size_t queued;
    std::uint64_t requests;
    std::uint64_t interrupts;
  };
  [[nodiscard]] Counts counts() PYPORT_EXCLUDES(mutex_);

 private:
  enum class Reader { nobody, context, standby };
  // What is decided under the mutex and done after it: answers and interrupts.
  struct Verdicts {
    std::vector<std::pair<std::uint64_t, const char*>> errors;        // request, reason
    std::vector<std::pair<std::uint32_t, std::uint64_t>> interrupts;  // context, request
    const char* dying = nullptr;                                      // why the process ends

    [[nodiscard]] bool none() const noexcept {
      return errors.empty() && interrupts.empty() && dying == nullptr;
    }
  };

  // What its thread waits for is there.
  [[nodiscard]] static bool served(const Inbox& inbox);
  // Returns when it is, or at `until`.
  void wait_or_read(Inbox& inbox, TimePoint until) PYPORT_REQUIRES(mutex_);
  // Reads until the same. True: the token is somebody else's to take.
  bool lead(Inbox& inbox, TimePoint until) PYPORT_REQUIRES(mutex_);
  void stand_in() PYPORT_REQUIRES(mutex_);
  void pay_wakes() PYPORT_REQUIRES(mutex_);
  // Spins if nobody else does, then sleeps. Returns when there may be work or the token.
  void await_work(Inbox& inbox, TimePoint until) PYPORT_REQUIRES(mutex_);
  // Has nothing to do, and looks again only when it is woken.
  [[nodiscard]] bool waits(const Inbox& inbox) const PYPORT_REQUIRES(mutex_);
  void release_token() PYPORT_REQUIRES(mutex_);
  void note_deadline(TimePoint deadline) PYPORT_REQUIRES(mutex_);
  void sleep_until_needed() PYPORT_REQUIRES(mutex_);
  Verdicts judge(TimePoint now) PYPORT_REQUIRES(mutex_);
  void judge_running(Inbox& inbox, TimePoint now, Verdicts& verdicts) PYPORT_REQUIRES(mutex_);
  // Lets go of the mutex while it answers and interrupts.
  void carry_out(const Verdicts& verdicts) PYPORT_REQUIRES(mutex_);
  void watch_memory() PYPORT_EXCLUDES(mutex_);
  void start_interrupt(Inbox& inbox, TimePoint now, Verdicts& verdicts) PYPORT_REQUIRES(mutex_);
  // Appends ERROR with an atom; nothing when nobody asked (id 0).
  void answer_error(std::uint64_t id, const char* reason);
  [[noreturn]] void die(const char* reason);

  AnswerWriter& writer_;
  const DispatchLimits limits_;
  Source* source_ = nullptr;
  Interrupter* interrupter_ = nullptr;

  Mutex mutex_;
  std::map<std::uint32_t, std::unique_ptr<Inbox>> inboxes_ PYPORT_GUARDED_BY(mutex_);
  std::size_t queued_ PYPORT_GUARDED_BY(mutex_) = 0;
  std::uint64_t requests_total_ PYPORT_GUARDED_BY(mutex_) = 0;
  std::uint64_t interrupts_total_ PYPORT_GUARDED_BY(mutex_) = 0;
  Reader reader_ PYPORT_GUARDED_BY(mutex_) = Reader::nobody;
  std::uint64_t token_epoch_ PYPORT_GUARDED_BY(mutex_) = 0;  // counts the token's changes of hand
  Inbox* wants_token_ PYPORT_GUARDED_BY(mutex_) = nullptr;   // sleeps until the standby lets go
  Inbox* leader_ PYPORT_GUARDED_BY(mutex_) = nullptr;        // the context that reads
  std::vector<Inbox*> owed_ PYPORT_GUARDED_BY(mutex_);       // have work, and are not awake yet
  std::atomic<bool> owes_wakes_{false};                      // owed_ is not empty
  Inbox* spinner_ PYPORT_GUARDED_BY(mutex_) = nullptr;       // waits without sleeping; one at most
  Inbox* woken_ PYPORT_GUARDED_BY(mutex_) = nullptr;         // the last that submit() gave work
  TimePoint next_deadline_ PYPORT_GUARDED_BY(mutex_) = kNever;  // none is earlier

  // The standby thread.
  CondVar standby_wake_;
  bool stopping_ PYPORT_GUARDED_BY(mutex_) = false;
  bool kicked_ PYPORT_GUARDED_BY(mutex_) = false;      // expect_long_run()
  bool deep_sleep_ PYPORT_GUARDED_BY(mutex_) = false;  // does not tick
  TimePoint sleeps_until_ PYPORT_GUARDED_BY(mutex_) = TimePoint::min();
  std::uint64_t seen_epoch_ PYPORT_GUARDED_BY(mutex_) = ~std::uint64_t{0};  // at the last tick
  unsigned quiet_ticks_ PYPORT_GUARDED_BY(mutex_) = 0;
  TimePoint memory_check_ = TimePoint::min();  // used by this thread only
};

}  // namespace pyport::link
