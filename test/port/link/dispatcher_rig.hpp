// A dispatcher over a link in memory, with contexts that run what a test gives them.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include <doctest/doctest.h>

#include "link/dispatcher.hpp"
#include "pipe.hpp"
#include "wire/packet.hpp"

namespace pyport::test {

using namespace pyport::link;  // NOLINT(google-build-using-namespace) -- a test of one layer

// A link in memory: put() is what the BEAM would send.
class FakeSource final : public Source {
 public:
  explicit FakeSource(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  void put(std::uint32_t context, std::uint64_t id, TimePoint deadline = kNever) {
    Request request;
    request.head.op = wire::Op::call;
    request.head.context = context;
    request.head.id = id;
    request.deadline = deadline;
    MutexLock lock(mutex_);
    arrived_.push_back(std::move(request));
    wake_.notify_all();
  }

  void wait(Spin, TimePoint until) override {
    MutexLock lock(mutex_);
    while (arrived_.empty() && !woken_ && Clock::now() < until) {
      if (until == kNever)
        wake_.wait(mutex_);
      else
        wake_.wait_until(mutex_, until);
    }
    woken_ = false;
  }
  void process() override {
    std::vector<Request> batch;
    {
      MutexLock lock(mutex_);
      batch.swap(arrived_);
    }
    if (!batch.empty()) last_reader.store(std::this_thread::get_id());
    if (batch.empty()) return;
    dispatcher_.submit(batch);
    if (after_submit) after_submit();
  }
  void wake() noexcept override {
    MutexLock lock(mutex_);
    ++wake_count;
    woken_ = true;
    wake_.notify_all();
  }
  std::atomic<int> wake_count{0};
  std::atomic<std::thread::id> last_reader{};
  std::function<void()> after_submit;  // by whoever reads; set before the first put()

 private:
  Dispatcher& dispatcher_;
  Mutex mutex_;
  CondVar wake_;
  bool woken_ PYPORT_GUARDED_BY(mutex_) = false;
  std::vector<Request> arrived_ PYPORT_GUARDED_BY(mutex_);
};

class FakeInterrupter final : public Interrupter {
 public:
  void interrupt(std::uint32_t, std::uint64_t id) noexcept override { last.store(id); }
  std::atomic<std::uint64_t> last{0};
};

// A dispatcher over fakes, with its standby thread; answers come out of a pipe.
struct Rig {
  Pipe pipe;
  AnswerWriter writer{pipe.write_end.get(), 1 << 20};
  Dispatcher dispatcher;
  FakeSource source;
  FakeInterrupter interrupter;
  std::thread standby;
  std::vector<std::thread> threads;
  std::vector<std::uint32_t> contexts;
  std::atomic<std::uint64_t> rounds{0};  // contexts that have answered and ask for more

  explicit Rig(milliseconds tick = milliseconds(1))
      : dispatcher(writer, DispatchLimits{100, microseconds(50), tick, 0}), source(dispatcher) {
    dispatcher.connect(source, interrupter);
    standby = std::thread([this] { dispatcher.run_standby(); });
  }
  ~Rig() {
    for (const std::uint32_t context : contexts)
      dispatcher.close(context);
    source.wake();
    for (auto& thread : threads)
      thread.join();
    dispatcher.stop();
    standby.join();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // A context that runs `work` for each request.
  Inbox& context(std::uint32_t number,
                 const std::function<void(const Request&)>& work,
                 std::optional<milliseconds> kill_after = std::nullopt) {
    Inbox* const inbox = dispatcher.open(number, kill_after);
    REQUIRE(inbox != nullptr);
    contexts.push_back(number);
    threads.emplace_back([this, inbox, work] {
      while (dispatcher.next(*inbox)) {
        while (const auto request = dispatcher.take(*inbox)) {
          work(*request);
          if (dispatcher.finish(*inbox).answer && request->head.id != 0) {
            Bytes answer;
            wire::put_answer_header(answer, wire::Op::ok, request->head.id);
            writer.append(answer);
          }
        }
        dispatcher.wake_others();
        writer.flush();
        rounds.fetch_add(1);
      }
    });
    return *inbox;
  }

  struct Answer {
    wire::Op op;
    std::uint64_t id;
    std::string term;
  };
  // The next answer; waits for it.
  Answer answer() {
    const TimePoint give_up = Clock::now() + milliseconds(10'000);
    while (answers_.size() < 4 || answers_.size() < 4 + load_u32(answers_.data())) {
      const Bytes more = pipe.take();
      put_bytes(answers_, more);
      if (more.empty()) std::this_thread::yield();
      REQUIRE(Clock::now() < give_up);
    }
    const std::size_t size = load_u32(answers_.data());
    const Bytes content(answers_.begin() + 4, answers_.begin() + 4 + static_cast<long>(size));
    answers_.erase(answers_.begin(), answers_.begin() + 4 + static_cast<long>(size));
    return {static_cast<wire::Op>(content[0]),
            load_u64(content.data() + 1),
            std::string(content.begin() + 9, content.end())};
  }

 private:
  Bytes answers_;
};

// A gate that a run waits at. Declared before the rig, whose threads may use it to the end.
struct Gate {
  Mutex mutex;
  CondVar changed;
  bool open PYPORT_GUARDED_BY(mutex) = false;

  void pass() {
    MutexLock lock(mutex);
    while (!open)
      changed.wait(mutex);
  }
  void release() {
    MutexLock lock(mutex);
    open = true;
    changed.notify_all();
  }
};

}  // namespace pyport::test
