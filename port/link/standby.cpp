// The standby thread of the Dispatcher: reads the link while every context runs Python, answers for
// requests whose time is up, has them interrupted, and ends the process when that does not help.
//
//   asleep    a context reads the link, nothing has happened for a while; wakes for a deadline
//   ticking   the link changes hands; looks every tick whether somebody reads it
//   reading   it holds the token, until an idle context asks for it

#include <algorithm>
#include <string>

#include "etf/control.hpp"
#include "link/dispatcher.hpp"
#include "sys/log.hpp"
#include "sys/process.hpp"

namespace pyport::link {
namespace {

// Ticks without a change of hand before the thread stops ticking: an idle program uses no CPU, and
// a program with at least one call a second never pays for waking this thread.
constexpr unsigned kQuietTicks = 100;
constexpr milliseconds kMemoryCheckInterval{50};

TimePoint later(TimePoint now, std::optional<milliseconds> by) {
  return by ? now + *by : kNever;
}

}  // namespace

void Dispatcher::run_standby() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    const TimePoint now = Clock::now();
    const Verdicts verdicts = judge(now);
    if (!verdicts.none()) {
      carry_out(verdicts);
      continue;
    }
    const bool unread = reader_ == Reader::nobody && (kicked_ || token_epoch_ == seen_epoch_);
    kicked_ = false;
    if (unread) {
      pay_wakes();
      stand_in();
    } else {
      sleep_until_needed();
    }
  }
}

void Dispatcher::sleep_until_needed() {
  mutex_.unlock();
  writer_.try_flush();  // answers that a context left behind when it began a run that lasts
  watch_memory();
  mutex_.lock();
  if (kicked_ || stopping_) return;
  // From here to the wait the mutex is held: who releases the token sees whether we sleep deeply.
  quiet_ticks_ = token_epoch_ == seen_epoch_ ? quiet_ticks_ + 1 : 0;
  seen_epoch_ = token_epoch_;
  deep_sleep_ = reader_ != Reader::nobody && quiet_ticks_ > kQuietTicks;
  sleeps_until_ =
      deep_sleep_ ? next_deadline_ : std::min(Clock::now() + limits_.tick, next_deadline_);
  if (sleeps_until_ == kNever)
    standby_wake_.wait(mutex_);
  else
    standby_wake_.wait_until(mutex_, sleeps_until_);
  deep_sleep_ = false;
}

void Dispatcher::stand_in() {
  reader_ = Reader::standby;
  ++token_epoch_;
  while (!stopping_ && wants_token_ == nullptr) {
    sleeps_until_ = next_deadline_;
    TimePoint until = next_deadline_;
    if (limits_.resident_bytes_max != 0)
      until = std::min(until, Clock::now() + kMemoryCheckInterval);
    mutex_.unlock();
    source_->wait(Source::Spin::no, until);
    source_->process();
    watch_memory();
    mutex_.lock();
    const Verdicts verdicts = judge(Clock::now());
    if (!verdicts.none()) carry_out(verdicts);
  }
  reader_ = Reader::nobody;
  ++token_epoch_;  // and a tick goes by before it counts as unread again
  if (Inbox* const wanter = std::exchange(wants_token_, nullptr)) {
    wanter->poked_.store(true);  // it spins, or
    wanter->wake_.notify_one();  // it sleeps
  }
}

void Dispatcher::stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  standby_wake_.notify_one();
  source_->wake();
}

void Dispatcher::note_deadline(TimePoint deadline) {
  if (deadline >= next_deadline_) return;
  next_deadline_ = deadline;
  if (sleeps_until_ <= deadline) return;
  // It sleeps longer than that, on the condition variable or (as the reader) in the source.
  sleeps_until_ = deadline;
  standby_wake_.notify_one();
  if (reader_ == Reader::standby) source_->wake();
}

Dispatcher::Verdicts Dispatcher::judge(TimePoint now) {
  Verdicts verdicts;
  if (now < next_deadline_) return verdicts;
  next_deadline_ = kNever;
  for (const auto& [context, inbox] : inboxes_) {
    judge_running(*inbox, now, verdicts);
    const auto expired = [this, now, &verdicts](const Request& request) PYPORT_REQUIRES(mutex_) {
      if (request.deadline <= now) {
        verdicts.errors.emplace_back(request.head.id, "timeout");
        queued_ -= request.queue_count();
        return true;
      }
      next_deadline_ = std::min(next_deadline_, request.deadline);
      return false;
    };
    std::erase_if(inbox->queue_, expired);
  }
  return verdicts;
}

void Dispatcher::judge_running(Inbox& inbox, TimePoint now, Verdicts& verdicts) {
  Inbox::Running& running = inbox.running_;
  if (running.id == 0) return;
  if (running.kill_at <= now) verdicts.dying = "killed_after_timeout";
  if (running.deadline <= now && !running.answered) {
    running.answered = true;
    verdicts.errors.emplace_back(running.id, "timeout");
    start_interrupt(inbox, now, verdicts);
  }
  next_deadline_ = std::min(next_deadline_, running.kill_at);
  if (!running.answered) next_deadline_ = std::min(next_deadline_, running.deadline);
}

void Dispatcher::start_interrupt(Inbox& inbox, TimePoint now, Verdicts& verdicts) {
  verdicts.interrupts.emplace_back(inbox.context(), inbox.running_.id);
  if (inbox.running_.kill_at != kNever) return;
  inbox.running_.kill_at = later(now, inbox.kill_after_);
  note_deadline(inbox.running_.kill_at);
}

void Dispatcher::watch_memory() {
  if (limits_.resident_bytes_max == 0) return;
  const TimePoint now = Clock::now();
  if (now < memory_check_) return;
  memory_check_ = now + kMemoryCheckInterval;
  if (resident_bytes() > limits_.resident_bytes_max + kResidentSlackBytes) die("memory_limit");
}

void Dispatcher::carry_out(const Verdicts& verdicts) {
  mutex_.unlock();
  for (const auto& [id, reason] : verdicts.errors)
    answer_error(id, reason);
  for (const auto& [context, id] : verdicts.interrupts)
    interrupter_->interrupt(context, id);
  if (verdicts.dying != nullptr) die(verdicts.dying);
  writer_.try_flush();
  mutex_.lock();
}

void Dispatcher::die(const char* reason) {
  log_line(std::string("ends itself: ") + reason);
  etf::ControlWriter term;
  term.atom(reason);
  writer_.append(wire::make_answer(wire::Op::dying, 0, term.bytes()));
  writer_.try_flush();
  kill_process_group();
}

}  // namespace pyport::link
