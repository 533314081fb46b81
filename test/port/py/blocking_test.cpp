// Before a context's thread sleeps in the store.
#include "py/blocking.hpp"

#include <unistd.h>

#include <doctest/doctest.h>

#include "../link/pipe.hpp"
#include "python_scope.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test of where layers meet

struct Rig {
  explicit Rig(py::Interrupts interrupts)
      : thread(dispatcher, inbox, writer, reader, point, interrupts) {}
  const test::Pipe pipe;
  link::AnswerWriter writer{pipe.write_end.get(), 1 << 20};
  link::Dispatcher dispatcher{writer, link::DispatchLimits{}};
  const WakeFd reader;
  store::InterruptPoint point;
  link::Inbox& inbox = *dispatcher.open(1, std::nullopt);
  py::BlockingThread thread;
};

// What ends a wait that was successful.
const auto at_once = [](store::InterruptPoint*, TimePoint) { return store::Wait::ready; };

TEST_CASE("blocking: an interrupt that comes together with what is waited for is raised first") {
  const test::PythonScope python;
  Rig rig(py::Interrupts::by_exception);
  PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), PyExc_KeyboardInterrupt);
  rig.point.request();
  CHECK_FALSE(py::block(kNever, at_once).has_value());
  CHECK(test::pending() == "KeyboardInterrupt: ");
  CHECK(PyThreadState_Get()->async_exc == nullptr);
  CHECK(py::block(kNever, at_once) == store::Wait::ready);
}

TEST_CASE("blocking: a signal that comes together with what is waited for is raised first") {
  const test::PythonScope python;
  Rig rig(py::Interrupts::by_signal);
  const auto signal_too = [](store::InterruptPoint*, TimePoint) {
    PyErr_SetInterrupt();
    return store::Wait::ready;
  };
  const auto handler = test::run(
      "import signal\n"
      "result = signal.signal(signal.SIGINT, "
      "signal.default_int_handler) or 0");
  REQUIRE(handler);
  CHECK_FALSE(py::block(kNever, signal_too).has_value());
  CHECK(test::pending() == "KeyboardInterrupt: ");
  CHECK(py::block(kNever, at_once) == store::Wait::ready);
}

TEST_CASE("blocking: a thread of Python code gets its exception before what it waited for") {
  const test::PythonScope python;
  PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), PyExc_ArithmeticError);
  CHECK_FALSE(py::block(kNever, at_once).has_value());
  CHECK(test::pending() == "ArithmeticError: ");
  CHECK(py::block(kNever, at_once) == store::Wait::ready);
}

TEST_CASE("blocking: a look at the signals costs the main thread no place in line") {
  const test::PythonScope python;
  Rig rig(py::Interrupts::by_signal);
  struct LateRoom final : store::Place {
    store::Wait await(TimePoint until, store::InterruptPoint*) override {
      early = early || until < kNever;
      return ++awaits == 1 ? store::Wait::timed_out : store::Wait::ready;
    }
    void leave() override { ++left; }
    bool early = false;
    int awaits = 0;
    int left = 0;
  };
  LateRoom place;
  CHECK(py::block_in_line(kNever, place, [] {}) == store::Wait::ready);
  CHECK(place.early);
  CHECK(place.awaits == 2);
  CHECK(place.left == 0);
}

TEST_CASE("blocking: a handler that waits makes its thread leave the line, and wait again") {
  const test::PythonScope python;
  Rig rig(py::Interrupts::by_signal);
  struct CountedPlace final : store::Place {
    store::Wait await(TimePoint, store::InterruptPoint*) override {
      ++awaits;
      return store::Wait::ready;
    }
    void leave() override { ++left; }
    int awaits = 0;
    int left = 0;
  };
  CountedPlace outer;
  CountedPlace inner;
  int sleeps = 0;
  const auto handler_too = [&inner, &sleeps] {
    if (++sleeps > 1) return;
    // As if a handler ran behind this wait.
    const py::GilHeld held(test::main_state);
    CHECK(py::block_in_line(kNever, inner, [] {}) == store::Wait::ready);
  };
  CHECK(py::block_in_line(kNever, outer, handler_too) == store::Wait::ready);
  CHECK(outer.left == 1);
  CHECK(outer.awaits == 2);
  CHECK(inner.left == 0);
  CHECK(inner.awaits == 1);
  CHECK(py::block(kNever, at_once) == store::Wait::ready);
  CHECK(outer.left == 1);
}

TEST_CASE(
    "blocking: who sleeps with answers that the pipe does not take wakes who reads the link") {
  const test::PythonScope python;
  const test::Pipe pipe;
  link::AnswerWriter writer(pipe.write_end.get(), 1 << 20);
  link::Dispatcher dispatcher(writer, link::DispatchLimits{});
  const WakeFd reader;
  store::InterruptPoint point;
  link::Inbox& inbox = *dispatcher.open(1, std::nullopt);
  py::BlockingThread thread(dispatcher, inbox, writer, reader, point, py::Interrupts::by_exception);
  std::uint64_t woken = 0;
  CHECK(thread.before_wait(py::BlockingThread::Reads::no));
  CHECK(::read(reader.fd(), &woken, sizeof woken) < 0);
  writer.append(Bytes(300'000, 7));
  CHECK(thread.before_wait(py::BlockingThread::Reads::no));
  CHECK(::read(reader.fd(), &woken, sizeof woken) == sizeof woken);
}

}  // namespace
