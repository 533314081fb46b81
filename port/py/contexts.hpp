// All contexts of the process: starts their threads, and interrupts what they run.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <pthread.h>
#include <thread>
#include <utility>
#include <vector>

#include "link/session.hpp"
#include "py/context.hpp"
#include "sys/mutex.hpp"

namespace pyport::py {

class Contexts final : public link::ContextStarter, public link::Interrupter {
 public:
  explicit Contexts(Shared& shared) noexcept : shared_(shared) {}
  ~Contexts() override = default;
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;

  // The life of the main thread: serves context 0 and never returns. `thread` is the main thread's
  // own state. If the context is closed the thread only waits for the process to end.
  [[noreturn]] void run_main(link::Inbox& inbox, PyThreadState* thread) PYPORT_EXCLUDES(gil);

  bool start_context(link::Inbox& inbox) override PYPORT_EXCLUDES(mutex_);
  void interrupt(std::uint32_t context, std::uint64_t id) noexcept override PYPORT_EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t env_count() const noexcept override {
    return shared_.env_count.load();
  }
  [[nodiscard]] std::uint64_t output_dropped() const noexcept override {
    return shared_.output.dropped();
  }

  // The life of the interrupting thread: the only one that takes the GIL on somebody else's behalf,
  // so that a C loop that never gives the GIL back holds up nothing else.
  [[noreturn]] void run_interrupter(PyThreadState* thread) PYPORT_EXCLUDES(gil, mutex_);

 private:
  static constexpr std::size_t kContextsMax = 1024;
  static constexpr std::size_t kInterruptsMax = 65536;  // older ones are forgotten beyond that

  struct Thread {
    std::thread thread;
    unsigned long python_ident = 0;  // 0: not yet running
    bool ended = false;
  };

  // Whom an interrupt of a context reaches.
  struct Target {
    unsigned long ident = 0;
    store::InterruptPoint* point = nullptr;  // the thread's own; it lives while a request runs
  };

  void run_context(link::Inbox& inbox) PYPORT_EXCLUDES(gil, mutex_);
  void join_ended() PYPORT_EXCLUDES(mutex_);
  void deliver(std::uint32_t context, std::uint64_t id) PYPORT_REQUIRES(gil)
      PYPORT_EXCLUDES(mutex_);

  Shared& shared_;
  pthread_t main_thread_ = ::pthread_self();
  store::InterruptPoint main_point_;

  Mutex mutex_;
  // By inbox: a number can be in use again while the old thread still ends.
  std::map<const link::Inbox*, Thread> threads_ PYPORT_GUARDED_BY(mutex_);
  std::map<std::uint32_t, Target> targets_ PYPORT_GUARDED_BY(mutex_);
  CondVar interrupt_wanted_;
  std::deque<std::pair<std::uint32_t, std::uint64_t>> interrupts_ PYPORT_GUARDED_BY(mutex_);
};

}  // namespace pyport::py
