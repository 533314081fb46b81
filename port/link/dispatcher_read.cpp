// How the threads of the contexts wait: with the reader token they read the link meanwhile, without
// it they spin and sleep.

#include <algorithm>
#include <sched.h>

#include "link/dispatcher.hpp"

namespace pyport::link {
namespace {

// Batches in a row without a request for the context that reads them.
constexpr unsigned kHandOversMax = 3;

}  // namespace

bool Dispatcher::served(const Inbox& inbox) {
  if (inbox.blocked_on_ != nullptr) return inbox.blocked_on_->load();
  return !inbox.queue_.empty() || inbox.closed_;
}

bool Dispatcher::next(Inbox& inbox) {
  MutexLock lock(mutex_);
  wait_or_read(inbox, kNever);
  return !inbox.queue_.empty();
}

void Dispatcher::read_until(Inbox& inbox, const std::atomic<bool>& over, TimePoint until) {
  MutexLock lock(mutex_);
  inbox.blocked_on_ = &over;
  wait_or_read(inbox, until);
  inbox.blocked_on_ = nullptr;
  pay_wakes();  // its request goes on, and may take long
}

void Dispatcher::nudge(std::uint32_t context) noexcept {
  MutexLock lock(mutex_);
  const auto at = inboxes_.find(context);
  if (at == inboxes_.end()) return;
  Inbox& inbox = *at->second;
  if (leader_ == &inbox) return source_->wake();
  if (spinner_ == &inbox) inbox.poked_.store(true);
  if (inbox.waiting_) inbox.wake_.notify_one();
  // Who reads the link is likely to have caused it: the token may follow.
  if (leader_ != nullptr) woken_ = &inbox;
}

void Dispatcher::wait_or_read(Inbox& inbox, TimePoint until) {
  bool leave_token = false;
  while (!served(inbox) && (until == kNever || Clock::now() < until)) {
    if (reader_ == Reader::nobody && !leave_token) {
      leave_token = lead(inbox, until);
      continue;
    }
    if (reader_ == Reader::standby && wants_token_ == nullptr) {
      wants_token_ = &inbox;
      source_->wake();
    }
    await_work(inbox, until);
    leave_token = false;
  }
  if (wants_token_ == &inbox) wants_token_ = nullptr;
}

void Dispatcher::await_work(Inbox& inbox, TimePoint until) {
  if (spinner_ == nullptr && limits_.spin.count() > 0) {
    spinner_ = &inbox;
    inbox.poked_.store(false);
    mutex_.unlock();
    const TimePoint spin_until = std::min(until, Clock::now() + limits_.spin);
    // Gives way to whoever wants the processor: waking a thread that sleeps costs 50 microseconds
    // when its processor sleeps too, and this one's work is probably on its way.
    do {
      ::sched_yield();
    } while (!inbox.poked_.load() && Clock::now() < spin_until);
    mutex_.lock();
    spinner_ = nullptr;
    if (inbox.poked_.load() || served(inbox)) return;
  }
  inbox.waiting_ = true;
  if (until == kNever)
    inbox.wake_.wait(mutex_);
  else
    inbox.wake_.wait_until(mutex_, until);
  inbox.waiting_ = false;
}

bool Dispatcher::lead(Inbox& inbox, TimePoint until) {
  reader_ = Reader::context;
  leader_ = &inbox;
  ++token_epoch_;
  bool leave_to_other = false;
  unsigned handed_over = 0;
  pay_wakes();  // what another reader left
  do {
    woken_ = nullptr;
    mutex_.unlock();
    source_->wait(Source::Spin::yes, until);
    source_->process();
    mutex_.lock();
    // The token follows the work: a context that only hands over leaves it to the one it woke, so
    // that calls to that one wake nobody. Not at the first time, or two busy contexts would pass
    // the token to and fro.
    // Nor when that one is done already and waits again: then nobody would read.
    if (woken_ != nullptr) leave_to_other = ++handed_over >= kHandOversMax && !waits(*woken_);
  } while (!served(inbox) && !leave_to_other && (until == kNever || Clock::now() < until));
  leader_ = nullptr;
  release_token();
  return leave_to_other && !served(inbox);
}

bool Dispatcher::waits(const Inbox& inbox) const {
  return !served(inbox) && (inbox.waiting_ || spinner_ == &inbox);
}

void Dispatcher::release_token() {
  reader_ = Reader::nobody;
  ++token_epoch_;
  if (deep_sleep_) standby_wake_.notify_one();
}

}  // namespace pyport::link
