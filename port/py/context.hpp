// One context: a namespace and the thread that runs Python in it (docs/threads.md).
//
// The thread takes the GIL once for all requests that wait, turns each payload into objects, runs,
// and writes the answer itself. It reads the link while it has nothing to do.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/bytes.hpp"
#include "link/answer_writer.hpp"
#include "link/bulk_writer.hpp"
#include "link/dispatcher.hpp"
#include "py/blocking.hpp"
#include "py/call_cache.hpp"
#include "py/decref_queue.hpp"
#include "py/from_python.hpp"
#include "py/namespaces.hpp"
#include "py/output.hpp"
#include "store/dropped.hpp"
#include "store/interrupt.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::py {

// What all contexts of a process share. Everything outlives them.
struct Shared {
  link::Dispatcher& dispatcher;
  link::AnswerWriter& writer;
  const WakeFd& reader_wake;
  Output& output;
  DecrefQueue& decrefs;
  PyObject* const pristine_namespace;  // never changed, and alive as long as the process
  const std::size_t term_bytes_max;    // of an answer; beyond it the caller gets a ValueError
  store::Dropped& dropped;
  link::BulkWriter* const bulk;      // null: there is no bulk lane
  const std::size_t bulk_threshold;  // bytes of an answer that goes there
  std::atomic<std::uint64_t> env_count{0};
};

class Context {
 public:
  // `point` is told when a request of this context is interrupted.
  Context(Shared& shared,
          link::Inbox& inbox,
          store::InterruptPoint& point,
          Interrupts interrupts) noexcept
      : shared_(shared),
        inbox_(inbox),
        point_(point),
        interrupts_(interrupts),
        namespaces_(shared.pristine_namespace, shared.env_count) {}
  ~Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Serves requests until the inbox is closed. `thread` belongs to the calling thread.
  void run(PyThreadState* thread) PYPORT_EXCLUDES(gil);

 private:
  void serve_waiting() PYPORT_REQUIRES(gil);
  void serve(link::Request& request) PYPORT_REQUIRES(gil);
  // The term of the request that runs needs no buffer any more. Lets other threads run if there are
  // dropped ones.
  void decoded() PYPORT_REQUIRES(gil);
  // The answer to `request`, header included, in answer_.
  void make_answer(const link::Request& request) PYPORT_REQUIRES(gil);
  // The result of the run. Null: a Python exception is set, or bad_request_ says what was wrong.
  PyRef execute(const link::Request& request) PYPORT_REQUIRES(gil);
  PyRef call(const link::Request& request) PYPORT_REQUIRES(gil);
  PyRef eval(const link::Request& request) PYPORT_REQUIRES(gil);
  PyRef exec(const link::Request& request) PYPORT_REQUIRES(gil);
  PyRef find_function(CallTarget& target, std::uint64_t env) PYPORT_REQUIRES(gil);
  PyRef find_in_main(const CallTarget& target, std::uint64_t env) PYPORT_REQUIRES(gil);
  PyRef find_module(CallTarget& target) PYPORT_REQUIRES(gil);
  [[nodiscard]] EncodeOptions encode_options(std::uint8_t flags) const noexcept;
  void before_run(const RunStats& stats);
  void answer_exception(const link::Request& request) PYPORT_REQUIRES(gil);
  void answer_error(const link::Request& request, const Bytes& term);
  // Queues the answer in answer_; a large one waits for send_answers(), which writes it.
  void give_answer(std::uint64_t id);
  void send_answers() PYPORT_EXCLUDES(gil);
  // An interrupt that came too late for its request must not hit the next one.
  void clear_interrupt() PYPORT_REQUIRES(gil);

  Shared& shared_;
  link::Inbox& inbox_;
  store::InterruptPoint& point_;
  const Interrupts interrupts_;
  Namespaces namespaces_;
  CallCache cache_;
  std::shared_ptr<const void> undecoded_;  // link::Request::undecoded of the one that runs
  Bytes answer_;
  std::vector<Bytes> bulk_answers_;  // whole messages for the bulk lane
  std::size_t bulk_answers_bytes_ = 0;
  std::string bad_request_;
  RunStats* run_stats_ = nullptr;  // of the function that runs; set by before_run's callers
};

}  // namespace pyport::py
