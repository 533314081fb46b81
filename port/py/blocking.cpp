#include "py/blocking.hpp"

#include <unistd.h>

#include "core/check.hpp"

namespace pyport::py {
namespace {

// How long a Python signal handler may wait for a main thread that blocks in the store.
constexpr milliseconds kSignalCheck{200};

thread_local BlockingThread* this_thread = nullptr;

}  // namespace

BlockingThread::BlockingThread(link::Dispatcher& dispatcher,
                               link::AnswerWriter& writer,
                               const WakeFd& reader_wake,
                               store::InterruptPoint& point,
                               Interrupts interrupts) noexcept
    : dispatcher_(dispatcher),
      writer_(writer),
      reader_wake_(reader_wake),
      point_(point),
      interrupts_(interrupts) {
  PYPORT_CHECK(this_thread == nullptr);
  this_thread = this;
}

BlockingThread::~BlockingThread() {
  this_thread = nullptr;
}

BlockingThread* BlockingThread::current() noexcept {
  return this_thread;
}

bool BlockingThread::before_wait() {
  if (interrupts_ == Interrupts::by_signal && PyErr_CheckSignals() != 0) return false;
  writer_.flush_or_wake(reader_wake_);
  dispatcher_.expect_long_run();
  return true;
}

bool BlockingThread::after_interrupt() {
  point_.clear();
  if (interrupts_ == Interrupts::by_signal) {
    // The signal was sent before the point was told; it is delivered at the latest on the way back
    // from a system call.
    static_cast<void>(::getppid());
    return PyErr_CheckSignals() == 0;
  }
  PyThreadState* const thread = PyThreadState_Get();
  if (thread->async_exc == nullptr) return true;
  // Raised here, so that it does not come again at the next bytecode.
  PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), nullptr);
  PyErr_SetNone(PyExc_KeyboardInterrupt);
  return false;
}

TimePoint BlockingThread::wake_at(TimePoint until) const noexcept {
  if (interrupts_ == Interrupts::by_exception) return until;
  return std::min(until, Clock::now() + kSignalCheck);
}

}  // namespace pyport::py
