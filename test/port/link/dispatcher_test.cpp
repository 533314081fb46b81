#include "link/dispatcher.hpp"

#include <atomic>
#include <functional>
#include <thread>

#include <doctest/doctest.h>

#include "pipe.hpp"
#include "wire/packet.hpp"

namespace {

using namespace pyport;        // NOLINT(google-build-using-namespace) -- a test of one layer
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
  test::Pipe pipe;
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

// A gate that a run waits at.
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

TEST_CASE("dispatcher: a request runs on its context's thread and is answered once") {
  Rig rig;
  rig.context(1, [](const Request&) {});
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    rig.source.put(1, id);
    const auto answer = rig.answer();
    CHECK(answer.id == id);
    CHECK(answer.op == wire::Op::ok);
  }
}

TEST_CASE("dispatcher: two contexts serve while a third one's run lasts") {
  Rig rig;
  Gate gate;
  rig.context(1, [&gate, &rig](const Request&) {
    rig.dispatcher.expect_long_run();
    gate.pass();
  });
  rig.context(2, [](const Request&) {});
  rig.context(3, [](const Request&) {});
  rig.source.put(1, 1);
  for (std::uint64_t id = 2; id < 200; ++id) {
    rig.source.put(2 + id % 2, id);
    CHECK(rig.answer().id == id);
  }
  gate.release();
  CHECK(rig.answer().id == 1);
}

TEST_CASE("dispatcher: a run that lasts without notice does not stop the reading") {
  Rig rig;
  Gate gate;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  rig.context(2, [](const Request&) {});
  rig.source.put(1, 1);
  rig.source.put(2, 2);
  CHECK(rig.answer().id == 2);
  gate.release();
  CHECK(rig.answer().id == 1);
}

TEST_CASE("dispatcher: the standby hands the token back once, not at every call") {
  Rig rig(milliseconds(10'000));
  rig.context(1, [&rig](const Request& request) {
    if (request.head.id == 1) rig.dispatcher.expect_long_run();
  });
  for (std::uint64_t id = 1; id <= 500; ++id) {
    rig.source.put(1, id);
    CHECK(rig.answer().id == id);
  }
  CHECK(rig.source.wake_count <= 1);
}

TEST_CASE("dispatcher: the standby's hand-over reaches a context that spins as one that sleeps") {
  Rig rig(milliseconds(60'000));  // no tick helps
  std::atomic<std::uint64_t> may_end{0};
  rig.context(1, [&rig, &may_end](const Request& request) {
    rig.dispatcher.expect_long_run();
    while (may_end.load() < request.head.id)
      std::this_thread::yield();
  });
  rig.context(2, [](const Request&) {});
  for (std::uint64_t id = 1; id <= 1000; id += 2) {
    rig.source.put(1, id);
    rig.source.put(2, id + 1);
    CHECK(rig.answer().id == id + 1);  // so somebody else reads now
    may_end.store(id);
    CHECK(rig.answer().id == id);
  }
}

TEST_CASE("dispatcher: the context that has the work reads the link itself") {
  Rig rig(milliseconds(10'000));
  std::atomic<std::thread::id> last{};
  rig.context(1, [&last](const Request&) { last.store(std::this_thread::get_id()); });
  rig.context(2, [](const Request&) {});
  rig.context(3, [](const Request&) {});
  int own_reads = 0;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    rig.source.put(1, id);
    CHECK(rig.answer().id == id);
    if (rig.source.last_reader.load() == last.load()) ++own_reads;
  }
  // Whoever read the first requests handed them over; from then on there is nothing to hand over.
  CHECK(own_reads >= 190);
}

TEST_CASE("dispatcher: the link stays read when the woken context is done before the reader lets go") {
  Rig rig(milliseconds(60'000));  // no tick helps
  // The reader goes on when the other context has answered and, most likely, waits again.
  rig.source.after_submit = [&rig, reads = std::uint64_t{0}]() mutable {
    ++reads;
    const TimePoint enough = Clock::now() + microseconds(500);
    while (rig.rounds.load() < reads && Clock::now() < enough)
      std::this_thread::yield();
    for (int turn = 0; turn < 100; ++turn)
      std::this_thread::yield();
  };
  rig.context(1, [](const Request&) {});
  rig.context(2, [](const Request&) {});
  for (std::uint64_t id = 1; id <= 200; ++id) {
    rig.source.put(1 + static_cast<std::uint32_t>(id / 10 % 2), id);
    REQUIRE(rig.answer().id == id);
  }
}

TEST_CASE("dispatcher: a deadline covers the time in the queue, and only its own request") {
  Rig rig;
  Gate gate;
  rig.context(1, [&gate](const Request& request) {
    if (request.head.id == 1) gate.pass();
  });
  rig.source.put(1, 1);
  rig.source.put(1, 2, Clock::now() + milliseconds(5));
  rig.source.put(1, 3);
  const auto late = rig.answer();
  CHECK(late.id == 2);
  CHECK(late.op == wire::Op::error);
  CHECK(late.term.find("timeout") != std::string::npos);
  CHECK(rig.interrupter.last == 0);
  gate.release();
  CHECK(rig.answer().id == 1);
  CHECK(rig.answer().id == 3);
}

TEST_CASE("dispatcher: a running request whose time is up is answered and interrupted") {
  Rig rig;
  Gate gate;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  rig.source.put(1, 7, Clock::now() + milliseconds(300));
  const auto late = rig.answer();
  CHECK(late.id == 7);
  CHECK(late.term.find("timeout") != std::string::npos);
  CHECK(rig.dispatcher.deliver_interrupt(1, 7, [] {}));
  gate.release();
  rig.source.put(1, 8);
  CHECK(rig.answer().id == 8);  // and 7 was not answered twice
  CHECK(rig.interrupter.last == 7);
}

TEST_CASE("dispatcher: an interrupt for a request that has ended reaches nobody") {
  Rig rig;
  rig.context(1, [](const Request&) {});
  rig.source.put(1, 1);
  CHECK(rig.answer().id == 1);
  CHECK_FALSE(rig.dispatcher.deliver_interrupt(1, 1, [] {}));
  CHECK_FALSE(rig.dispatcher.interrupt(1));
}

TEST_CASE("dispatcher: a cancelled request never runs") {
  Rig rig;
  Gate gate;
  std::atomic<bool> ran{false};
  rig.context(1, [&gate, &ran](const Request& request) {
    if (request.head.id == 1) gate.pass();
    if (request.head.id == 2) ran.store(true);
  });
  rig.source.put(1, 1);
  rig.source.put(1, 2);
  rig.source.put(1, 3);
  while (rig.dispatcher.counts().queued != 2)
    std::this_thread::yield();
  rig.dispatcher.cancel(2);
  gate.release();
  CHECK(rig.answer().id == 1);
  CHECK(rig.answer().id == 3);
  CHECK_FALSE(ran);
}

TEST_CASE("dispatcher: news that nobody waits for are never refused, and no id is no request") {
  Rig rig;
  Gate gate;
  rig.context(1, [&gate](const Request& request) {
    if (request.head.id == 1) gate.pass();
  });
  rig.source.put(1, 1);
  for (std::uint64_t id = 2; id <= 100; ++id)
    rig.source.put(1, id);
  for (int i = 0; i < 50; ++i)
    rig.source.put(1, 0);
  rig.dispatcher.cancel(0);
  CHECK_FALSE(rig.dispatcher.deliver_interrupt(1, 0, [] {}));
  gate.release();
  for (std::uint64_t id = 1; id <= 100; ++id) {
    const auto answer = rig.answer();
    CHECK(answer.op == wire::Op::ok);
    CHECK(answer.id == id);
  }
}

TEST_CASE("dispatcher: closing a context answers what waits and what runs") {
  Rig rig;
  Gate gate;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  rig.source.put(1, 1);
  rig.source.put(1, 2);
  while (rig.dispatcher.counts().queued != 1)
    std::this_thread::yield();
  CHECK(rig.dispatcher.close(1));
  for (int i = 0; i < 2; ++i)
    CHECK(rig.answer().term.find("context_destroyed") != std::string::npos);
  CHECK(rig.interrupter.last == 1);
  CHECK_FALSE(rig.dispatcher.close(1));
  gate.release();
}

TEST_CASE("dispatcher: a context that does not exist is an error for that request only") {
  Rig rig;
  rig.context(1, [](const Request&) {});
  rig.source.put(9, 1);
  rig.source.put(1, 2);
  const auto first = rig.answer();
  CHECK(first.id == 1);
  CHECK(first.term.find("no_context") != std::string::npos);
  CHECK(rig.answer().id == 2);
}

TEST_CASE("dispatcher: beyond the limit of queued requests the next is refused at once") {
  Rig rig;
  Gate gate;
  rig.context(1, [&gate](const Request&) { gate.pass(); });
  for (std::uint64_t id = 1; id <= 102; ++id)
    rig.source.put(1, id);
  // 1 runs, 100 wait; which one is refused depends on when 1 was taken out of the queue.
  const auto refused = rig.answer();
  CHECK(refused.op == wire::Op::error);
  CHECK(refused.term.find("overloaded") != std::string::npos);
  gate.release();
}

}  // namespace
