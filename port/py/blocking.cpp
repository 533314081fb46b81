#include "py/blocking.hpp"

#include <unistd.h>
#include <utility>

#include "core/check.hpp"

namespace pyport::py {
namespace {

// How long a Python signal handler may wait for a main thread that blocks in the store.
constexpr milliseconds kSignalCheck{200};

// How long a thread that Python started looks for what it waits for. One that sleeps costs 50 us to
// wake.
constexpr microseconds kOwnSpin{20};

thread_local BlockingThread* this_thread = nullptr;

}  // namespace

BlockingThread::BlockingThread(link::Dispatcher& dispatcher,
                               link::Inbox& inbox,
                               link::AnswerWriter& writer,
                               const WakeFd& reader_wake,
                               store::InterruptPoint& point,
                               Interrupts interrupts) noexcept
    : dispatcher_(dispatcher),
      writer_(writer),
      reader_wake_(reader_wake),
      point_(point),
      interrupts_(interrupts),
      sleep_(std::make_shared<link::ReadingSleep>(dispatcher, inbox)) {
  PYPORT_CHECK(this_thread == nullptr);
  this_thread = this;
}

BlockingThread::~BlockingThread() {
  this_thread = nullptr;
}

BlockingThread* BlockingThread::current() noexcept {
  return this_thread;
}

bool BlockingThread::before_wait(Reads reads) {
  if (interrupts_ == Interrupts::by_signal && PyErr_CheckSignals() != 0) return false;
  writer_.flush_or_wake(reader_wake_);
  if (reads == Reads::no) {
    dispatcher_.expect_long_run();
    return true;
  }
  if (runs_since_ != kNever) runs_.note(Clock::now() - runs_since_);
  return true;
}

void BlockingThread::after_reading() {
  runs_since_ = Clock::now();
  if (runs_.slow()) dispatcher_.expect_long_run();
}

const std::shared_ptr<Sleep>& this_sleep() noexcept {
  thread_local const std::shared_ptr<Sleep> own = std::make_shared<ThreadSleep>(kOwnSpin);
  return this_thread == nullptr ? own : this_thread->sleep();
}

bool BlockingThread::after_wait() {
  const bool told = point_.requested();
  if (told) point_.clear();
  if (interrupts_ == Interrupts::by_exception) return check_async_exception();
  // The signal was sent before the point was told; it is delivered at the latest on the way back
  // from a system call.
  if (told) static_cast<void>(::getppid());
  return PyErr_CheckSignals() == 0;
}

bool check_async_exception() {
  PyObject* const exception = PyThreadState_Get()->async_exc;
  if (exception == nullptr) return true;
  PyErr_SetNone(exception);
  PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), nullptr);
  return false;
}

BlockingThread::InWait::InWait(BlockingThread* thread, store::Place* place)
    : thread_(thread), place_(place) {
  if (thread_ == nullptr) return;
  outer_ = std::exchange(thread_->in_wait_, this);
  if (outer_ == nullptr || outer_->place_ == nullptr) return;
  outer_->place_->leave();
  outer_->lost_ = true;
}

BlockingThread::InWait::~InWait() {
  if (thread_ != nullptr) thread_->in_wait_ = outer_;
}

TimePoint BlockingThread::wake_at(TimePoint until) const noexcept {
  if (interrupts_ == Interrupts::by_exception) return until;
  return std::min(until, Clock::now() + kSignalCheck);
}

}  // namespace pyport::py
