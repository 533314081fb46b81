// Before a context's thread sleeps in the store.
#include "py/blocking.hpp"

#include <unistd.h>

#include <doctest/doctest.h>

#include "../link/pipe.hpp"
#include "python_scope.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test of where layers meet

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
