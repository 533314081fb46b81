#include "py/contexts.hpp"

#include <csignal>
#include <system_error>

#include "py/interpreter.hpp"

namespace pyport::py {
namespace {

constexpr std::uint32_t kMainContext = 0;

}  // namespace

void Contexts::run_main(link::Inbox& inbox, PyThreadState* thread) {
  main_thread_ = ::pthread_self();
  Context context(shared_, inbox, main_point_, Interrupts::by_signal);
  context.run(thread);
  // Python's main thread must not end before the process does.
  for (;;)
    ::pause();
}

bool Contexts::start_context(link::Inbox& inbox) {
  join_ended();
  MutexLock lock(mutex_);
  if (threads_.size() >= kContextsMax) return false;
  Thread& entry = threads_[&inbox];
  // The one place where the standard library reports by an exception what the system refused.
  try {
    entry.thread = std::thread([this, &inbox] { run_context(inbox); });
  } catch (const std::system_error&) {  // tidy: allow catch -- std::thread has no other way
    threads_.erase(&inbox);
    return false;
  }
  return true;
}

void Contexts::run_context(link::Inbox& inbox) {
  PyThreadState* const thread = new_thread_state();
  store::InterruptPoint point;
  {
    MutexLock lock(mutex_);
    targets_[inbox.context()] = {PyThread_get_thread_ident(), &point};
  }
  {
    Context context(shared_, inbox, point, Interrupts::by_exception);
    context.run(thread);
  }
  drop_thread_state(thread);
  const std::uint32_t number = inbox.context();
  {
    MutexLock lock(mutex_);
    const auto at = targets_.find(number);
    if (at != targets_.end() && at->second.point == &point) targets_.erase(at);
    threads_[&inbox].ended = true;
  }
  shared_.dispatcher.forget(inbox);
}

void Contexts::join_ended() {
  std::vector<std::thread> ended;
  {
    MutexLock lock(mutex_);
    for (auto at = threads_.begin(); at != threads_.end();) {
      if (!at->second.ended) {
        ++at;
        continue;
      }
      ended.push_back(std::move(at->second.thread));
      at = threads_.erase(at);
    }
  }
  for (std::thread& thread : ended)
    thread.join();
}

void Contexts::interrupt(std::uint32_t context, std::uint64_t id) noexcept {
  if (context == kMainContext) {
    const bool delivered = shared_.dispatcher.deliver_interrupt(
        context, id, [main = main_thread_] { ::pthread_kill(main, SIGINT); });
    // Maybe after the request: a wait that finds no signal goes on.
    if (delivered) main_point_.request();
    return;
  }
  MutexLock lock(mutex_);
  if (interrupts_.size() >= kInterruptsMax) interrupts_.pop_front();
  interrupts_.emplace_back(context, id);
  interrupt_wanted_.notify_one();
}

void Contexts::run_interrupter(PyThreadState* thread) {
  for (;;) {
    std::pair<std::uint32_t, std::uint64_t> wanted;
    {
      MutexLock lock(mutex_);
      while (interrupts_.empty())
        interrupt_wanted_.wait(mutex_);
      wanted = interrupts_.front();
      interrupts_.pop_front();
    }
    GilHeld held(thread);
    deliver(wanted.first, wanted.second);
  }
}

void Contexts::deliver(std::uint32_t context, std::uint64_t id) {
  Target target;
  {
    MutexLock lock(mutex_);
    const auto at = targets_.find(context);
    if (at != targets_.end()) target = at->second;
  }
  // A request ends with the GIL held, so between the check and the exception it cannot, nor can its
  // thread.
  if (target.point == nullptr || !shared_.dispatcher.deliver_interrupt(context, id, [] {})) return;
  PyThreadState_SetAsyncExc(target.ident, PyExc_KeyboardInterrupt);
  target.point->request();
}

}  // namespace pyport::py
