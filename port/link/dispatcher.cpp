#include "link/dispatcher.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "etf/control.hpp"

namespace pyport::link {
namespace {

std::size_t count_of(const std::deque<Request>& queue) noexcept {
  std::size_t count = 0;
  for (const Request& request : queue)
    count += request.queue_count();
  return count;
}

}  // namespace

Dispatcher::Dispatcher(AnswerWriter& writer, const DispatchLimits& limits)
    : writer_(writer), limits_(limits) {}

void Dispatcher::connect(Source& source, Interrupter& interrupter) noexcept {
  source_ = &source;
  interrupter_ = &interrupter;
}

Inbox* Dispatcher::open(std::uint32_t context, std::optional<milliseconds> kill_after) {
  MutexLock lock(mutex_);
  const auto [at, added] = inboxes_.try_emplace(context);
  if (!added) return nullptr;
  at->second = std::make_unique<Inbox>(context, kill_after);
  return at->second.get();
}

bool Dispatcher::close(std::uint32_t context) {
  MutexLock lock(mutex_);
  const auto at = inboxes_.find(context);
  if (at == inboxes_.end() || at->second->closed_) return false;
  Inbox& inbox = *at->second;
  Verdicts verdicts;
  inbox.closed_ = true;
  for (const Request& request : inbox.queue_)
    verdicts.errors.emplace_back(request.head.id, "context_destroyed");
  queued_ -= count_of(inbox.queue_);
  inbox.queue_.clear();
  if (inbox.running_.id != 0 && !inbox.running_.answered) {
    inbox.running_.answered = true;
    verdicts.errors.emplace_back(inbox.running_.id, "context_destroyed");
    start_interrupt(inbox, Clock::now(), verdicts);
  }
  inbox.wake_.notify_one();
  carry_out(verdicts);
  return true;
}

void Dispatcher::forget(Inbox& inbox) {
  MutexLock lock(mutex_);
  if (wants_token_ == &inbox) wants_token_ = nullptr;
  std::erase(owed_, &inbox);
  if (woken_ == &inbox) woken_ = nullptr;
  inboxes_.erase(inbox.context());
}

std::optional<Request> Dispatcher::take(Inbox& inbox) {
  for (;;) {
    std::uint64_t expired = 0;
    {
      MutexLock lock(mutex_);
      if (inbox.queue_.empty()) return std::nullopt;
      Request request = std::move(inbox.queue_.front());
      inbox.queue_.pop_front();
      queued_ -= request.queue_count();
      // Here and not outside: a request that counts as running may be interrupted.
      if (request.deadline == kNever || Clock::now() < request.deadline) {
        inbox.running_ = {};
        inbox.running_.id = request.head.id;
        inbox.running_.deadline = request.deadline;
        return request;
      }
      expired = request.head.id;
    }
    answer_error(expired, "timeout");
  }
}

Dispatcher::Finished Dispatcher::finish(Inbox& inbox) {
  MutexLock lock(mutex_);
  const Finished finished{!inbox.running_.answered, inbox.running_.interrupted};
  inbox.running_.id = 0;
  return finished;
}

void Dispatcher::expect_long_run() {
  MutexLock lock(mutex_);
  pay_wakes();
  if (reader_ != Reader::nobody) return;
  kicked_ = true;
  standby_wake_.notify_one();
}

void Dispatcher::pay_wakes() {
  for (Inbox* const inbox : owed_) {
    inbox->wake_owed_ = false;
    if (inbox == spinner_) inbox->poked_.store(true);
    if (inbox->waiting_) inbox->wake_.notify_one();
  }
  owed_.clear();
  owes_wakes_.store(false);
}

void Dispatcher::wake_others() {
  if (!owes_wakes_.load()) return;
  MutexLock lock(mutex_);
  pay_wakes();
}

void Dispatcher::submit(std::vector<Request>& requests, Submitter submitter) {
  const bool by_reader = submitter == Submitter::reader;
  bool end_wait = false;
  std::vector<std::uint64_t> unknown;
  std::vector<std::uint64_t> refused;
  {
    MutexLock lock(mutex_);
    requests_total_ += requests.size();
    for (Request& request : requests) {
      const auto at = inboxes_.find(request.head.context);
      if (at == inboxes_.end() || at->second->closed_) {
        unknown.push_back(request.head.id);
        continue;
      }
      if (queued_ + request.queue_count() > limits_.queued_max) {
        refused.push_back(request.head.id);
        continue;
      }
      Inbox& inbox = *at->second;
      note_deadline(request.deadline);
      queued_ += request.queue_count();
      inbox.queue_.push_back(std::move(request));
      end_wait = end_wait || (!by_reader && leader_ == &inbox);
      if (inbox.wake_owed_ || !(inbox.waiting_ || spinner_ == &inbox)) continue;
      inbox.wake_owed_ = true;
      owed_.push_back(&inbox);
      if (by_reader) woken_ = &inbox;
    }
    // A reader that has work itself runs that first: woken now, the others would only wait for the
    // GIL.
    const bool reader_is_busy = by_reader && leader_ != nullptr && served(*leader_);
    owes_wakes_.store(!owed_.empty());
    if (!reader_is_busy) pay_wakes();
  }
  requests.clear();
  if (end_wait) source_->wake();
  for (const std::uint64_t id : unknown)
    answer_error(id, "no_context");
  for (const std::uint64_t id : refused) {
    etf::ControlWriter term;
    term.tuple(3).atom("overloaded").integer(limits_.queued_max).integer(limits_.queued_max);
    writer_.append(wire::make_answer(wire::Op::error, id, term.bytes()));
  }
  if (!unknown.empty() || !refused.empty()) writer_.try_flush();
}

void Dispatcher::cancel(std::uint64_t id) {
  if (id == 0) return;  // nobody's
  MutexLock lock(mutex_);
  Verdicts verdicts;
  for (const auto& [context, inbox] : inboxes_) {
    if (inbox->running_.id == id) {
      inbox->running_.answered = true;
      start_interrupt(*inbox, Clock::now(), verdicts);
      break;
    }
    const auto same = [id](const Request& request) { return request.head.id == id; };
    const auto at = std::find_if(inbox->queue_.begin(), inbox->queue_.end(), same);
    if (at == inbox->queue_.end()) continue;
    queued_ -= at->queue_count();
    inbox->queue_.erase(at);
    break;
  }
  carry_out(verdicts);
}

bool Dispatcher::interrupt(std::uint32_t context) {
  MutexLock lock(mutex_);
  const auto at = inboxes_.find(context);
  if (at == inboxes_.end() || at->second->running_.id == 0) return false;
  Verdicts verdicts;
  start_interrupt(*at->second, Clock::now(), verdicts);
  carry_out(verdicts);
  return true;
}

Dispatcher::Counts Dispatcher::counts() {
  MutexLock lock(mutex_);
  return {inboxes_.size(), queued_, requests_total_, interrupts_total_};
}

void Dispatcher::answer_error(std::uint64_t id, const char* reason) {
  if (id == 0) return;
  etf::ControlWriter term;
  term.atom(reason);
  writer_.append(wire::make_answer(wire::Op::error, id, term.bytes()));
}

}  // namespace pyport::link
