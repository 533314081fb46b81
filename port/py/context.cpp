#include "py/context.hpp"

#include <unistd.h>
#include <utility>

#include "etf/control.hpp"
#include "etf/request.hpp"
#include "py/error.hpp"
#include "py/to_python.hpp"

namespace pyport::py {
namespace {

// Requests that one hold of the GIL serves before the answers are sent: what a caller waits for at
// most behind others that are just as fast.
constexpr int kRequestsPerHold = 64;
constexpr std::size_t kAnswerBytesPerHold = 256U << 10;
// Memory that one huge answer needed is given back.
constexpr std::size_t kKeptAnswerBytes = 4U << 20;
// Writing so much takes a while: somebody else is to read the link meanwhile.
constexpr std::size_t kLongWriteBytes = 4U << 20;

Bytes bad_request(const std::string& why) {
  etf::ControlWriter term;
  term.tuple(2).atom("bad_request").binary(why);
  return term.bytes();
}

Bytes atom_term(const char* name) {
  etf::ControlWriter term;
  term.atom(name);
  return term.bytes();
}

}  // namespace

void Context::run(PyThreadState* thread) {
  Output::tag_this_thread(inbox_.context());
  const BlockingThread blocking(
      shared_.dispatcher, inbox_, shared_.writer, shared_.reader_wake, point_, interrupts_);
  while (shared_.dispatcher.next(inbox_)) {
    {
      GilHeld held(thread);
      serve_waiting();
    }
    shared_.dispatcher.wake_others();
    send_answers();
  }
  GilHeld held(thread);
  cache_.clear();
  namespaces_.drop_all();
  shared_.decrefs.drain();
}

void Context::serve_waiting() {
  shared_.decrefs.drain();
  // A signal that came while nothing ran concerns no request: its handler runs here.
  if (interrupts_ == Interrupts::by_signal && PyErr_CheckSignals() != 0) PyErr_Clear();
  for (int served = 0; served < kRequestsPerHold; ++served) {
    // What was meant for an earlier request; from take() on it is meant for the next.
    point_.clear();
    auto request = shared_.dispatcher.take(inbox_);
    if (!request) break;
    serve(*request);
    if (shared_.writer.queued_bytes() + bulk_answers_bytes_ > kAnswerBytesPerHold) break;
  }
}

void Context::serve(link::Request& request) {
  if (request.head.op == wire::Op::env_drop) {
    namespaces_.drop(request.head.env);
    static_cast<void>(shared_.dispatcher.finish(inbox_));
    return;
  }
  const TimePoint began = Clock::now();
  run_stats_ = nullptr;
  BlockingThread::current()->begin_request();
  undecoded_ = std::move(request.undecoded);
  make_answer(request);
  decoded();
  if (run_stats_ != nullptr) run_stats_->note(Clock::now() - began);
  shared_.output.end_of_request();
  const auto finished = shared_.dispatcher.finish(inbox_);
  if (finished.interrupted) clear_interrupt();
  if (finished.answer && request.head.id != 0) give_answer(request.head.id);
  if (answer_.capacity() > kKeptAnswerBytes) answer_ = Bytes();
}

void Context::decoded() {
  undecoded_.reset();
  if (!shared_.dropped.any()) return;
  const GilReleased released;
  shared_.dropped.forget();
}

void Context::give_answer(std::uint64_t id) {
  if (shared_.bulk == nullptr || answer_.size() < shared_.bulk_threshold) {
    shared_.writer.append(answer_);
    return;
  }
  Bytes place;
  wire::put_answer_header(place, wire::Op::bulk, id);
  shared_.writer.append(place);
  bulk_answers_bytes_ += answer_.size();
  bulk_answers_.push_back(std::exchange(answer_, Bytes()));
}

void Context::send_answers() {
  // First what is small: it waits for nobody who is slow to take a large answer.
  shared_.writer.flush();
  if (bulk_answers_.empty()) return;
  if (bulk_answers_bytes_ > kLongWriteBytes) shared_.dispatcher.expect_long_run();
  for (const Bytes& answer : bulk_answers_)
    shared_.bulk->write(answer);
  // Its pages are in use already: a first touch costs more than the copy.
  if (bulk_answers_.back().capacity() <= kKeptAnswerBytes) answer_.swap(bulk_answers_.back());
  bulk_answers_.clear();
  bulk_answers_bytes_ = 0;
}

void Context::make_answer(const link::Request& request) {
  answer_.clear();
  wire::put_answer_header(answer_, wire::Op::ok, request.head.id);
  bad_request_.clear();
  const PyRef result = execute(request);
  if (result) {
    if (request.head.op == wire::Op::exec)
      put_bytes(answer_, atom_term("ok"));
    else if (!encode_term(result.get(), answer_, encode_options(request.head.flags)))
      answer_exception(request);
  } else if (!bad_request_.empty()) {
    answer_error(request, bad_request(bad_request_));
  } else {
    answer_exception(request);
  }
}

EncodeOptions Context::encode_options(std::uint8_t flags) const noexcept {
  const bool binary = (flags & wire::kFlagArraysAsBinary) != 0;
  return {binary ? Arrays::binary : Arrays::lists, shared_.term_bytes_max};
}

void Context::answer_error(const link::Request& request, const Bytes& term) {
  answer_.clear();
  wire::put_answer_header(answer_, wire::Op::error, request.head.id);
  put_bytes(answer_, term);
}

void Context::answer_exception(const link::Request& request) {
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0) {
    PyErr_Clear();
    answer_error(request, atom_term("interrupted"));
    return;
  }
  answer_.clear();
  wire::put_answer_header(answer_, wire::Op::exception, request.head.id);
  const bool detailed = (request.head.flags & wire::kFlagDetailedErrors) != 0;
  encode_exception(answer_, detailed ? ErrorForm::detailed : ErrorForm::simple);
}

void Context::clear_interrupt() {
  point_.clear();
  if (interrupts_ == Interrupts::by_exception) {
    PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), nullptr);
    return;
  }
  // The signal was sent before finish() got the mutex; it is delivered at the latest on the way
  // back from a system call. Then CPython's own handler has noted it.
  static_cast<void>(::getppid());
  if (PyErr_CheckSignals() != 0) PyErr_Clear();
}

PyRef Context::execute(const link::Request& request) {
  switch (request.head.op) {
    case wire::Op::call:
      return call(request);
    case wire::Op::eval:
      return eval(request);
    default:
      return exec(request);
  }
}

void Context::before_run(const RunStats& stats) {
  if (!stats.slow()) return;
  shared_.writer.flush_or_wake(shared_.reader_wake);
  shared_.dispatcher.expect_long_run();
}

PyRef Context::call(const link::Request& request) {
  auto split = etf::split_call(request.term());
  if (!split.ok()) {
    bad_request_ = split.error().detail;
    return {};
  }
  CallTarget* const target = cache_.target(split.value());
  if (target == nullptr) return {};
  run_stats_ = &target->stats;
  // Before the import: it may be what takes long.
  before_run(target->stats);
  const PyRef function = find_function(*target, request.head.env);
  if (!function) return {};
  ArgVector arguments;
  if (!arguments.decode(split.value().arguments)) return {};
  decoded();
  return arguments.call(function.get());
}

PyRef Context::find_function(CallTarget& target, std::uint64_t env) {
  if (target.in_main) return find_in_main(target, env);
  const PyRef module = find_module(target);
  if (!module) return {};
  return PyRef::steal(PyObject_GetAttr(module.get(), target.function.get()));
}

PyRef Context::find_in_main(const CallTarget& target, std::uint64_t env) {
  PyObject* const names = namespaces_.get(env);
  if (names == nullptr) return {};
  PyObject* const found = PyDict_GetItemWithError(names, target.function.get());
  if (found != nullptr) return PyRef::share(found);
  if (PyErr_Occurred() != nullptr) return {};
  const PyRef main = PyRef::steal(PyImport_ImportModule("__main__"));
  if (!main) return {};
  return PyRef::steal(PyObject_GetAttr(main.get(), target.function.get()));
}

PyRef Context::find_module(CallTarget& target) {
  if (target.imported) {
    PyObject* const module = PyDict_GetItemWithError(PyImport_GetModuleDict(), target.module.get());
    if (module != nullptr) return PyRef::share(module);
    if (PyErr_Occurred() != nullptr) return {};
  }
  // Waits for an import that another thread has begun. Not PyImport_Import: it looks the module up
  // again afterwards, when an interrupted import elsewhere may have removed it (a KeyError). A list
  // of names that is not empty asks for the module itself and not for its top package.
  const PyRef wanted = PyRef::steal(Py_BuildValue("(s)", "__name__"));
  if (!wanted) return {};
  PyRef module = PyRef::steal(
      PyImport_ImportModuleLevelObject(target.module.get(), nullptr, nullptr, wanted.get(), 0));
  target.imported = static_cast<bool>(module);
  return module;
}

PyRef Context::eval(const link::Request& request) {
  auto split = etf::split_eval(request.term());
  if (!split.ok()) {
    bad_request_ = split.error().detail;
    return {};
  }
  PyObject* const names = namespaces_.get(request.head.env);
  if (names == nullptr) return {};
  PyRef locals = decode_locals(split.value().locals);
  if (!locals) return {};
  decoded();
  CompiledCode* const compiled = cache_.expression(split.value().code);
  if (compiled == nullptr) return {};
  run_stats_ = &compiled->stats;
  before_run(compiled->stats);
  // Held here: the code may evaluate other code, and the cache may drop it.
  const PyRef code = PyRef::share(compiled->code.get());
  if (!compiled->nested_scopes || PyDict_Size(locals.get()) == 0)
    return PyRef::steal(PyEval_EvalCode(code.get(), names, locals.get()));
  // A lambda or generator inside the expression sees globals only: let the locals be some.
  const PyRef merged = PyRef::steal(PyDict_Copy(names));
  if (!merged || PyDict_Update(merged.get(), locals.get()) != 0) return {};
  return PyRef::steal(PyEval_EvalCode(code.get(), merged.get(), merged.get()));
}

PyRef Context::exec(const link::Request& request) {
  auto text = etf::split_exec(request.term());
  if (!text.ok()) {
    bad_request_ = text.error().detail;
    return {};
  }
  PyObject* const names = namespaces_.get(request.head.env);
  if (names == nullptr) return {};
  decoded();
  before_run(RunStats{});
  const PyRef code = compile(text.value(), "<exec>", Py_file_input);
  if (!code) return {};
  return PyRef::steal(PyEval_EvalCode(code.get(), names, names));
}

}  // namespace pyport::py
