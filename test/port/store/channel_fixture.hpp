// What the tests of channels share: events that are noted, and messages in wire form.
#pragma once

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "store/channel.hpp"
#include "store/channel_budget.hpp"
#include "sys/mutex.hpp"

namespace pyport::test {

class NotedChannelEvents final : public store::ChannelEvents {
 public:
  void credit(std::uint64_t, std::uint64_t taken) noexcept override {
    note("credit " + std::to_string(taken));
  }
  void closed(std::uint64_t, bool by_python) noexcept override {
    note(by_python ? "closed by python" : "closed by erlang");
  }
  void forgotten(std::uint64_t number) noexcept override {
    note("forgotten " + std::to_string(number));
  }
  void want(std::uint64_t number) noexcept override { note("want " + std::to_string(number)); }
  void pressure(bool on) noexcept override { note(on ? "pressure" : "no pressure"); }
  void note(std::string what) {
    const MutexLock lock(mutex_);
    noted_.push_back(std::move(what));
    told_.notify_all();
  }
  // What came since the last call.
  std::vector<std::string> take() {
    const MutexLock lock(mutex_);
    return std::exchange(noted_, {});
  }
  // Blocks until there is something.
  std::vector<std::string> await() {
    const MutexLock lock(mutex_);
    while (noted_.empty())
      told_.wait(mutex_);
    return std::exchange(noted_, {});
  }

 private:
  Mutex mutex_;
  CondVar told_;
  std::vector<std::string> noted_ PYPORT_GUARDED_BY(mutex_);
};

using Noted = std::vector<std::string>;

// Messages of channel 7 as they stand in a batch.
inline Bytes entries_of(const std::vector<std::string>& messages) {
  Bytes entries;
  for (const std::string& message : messages) {
    put_u32(entries, static_cast<std::uint32_t>(9 + message.size()));
    put_u8(entries, 0x31);
    put_u64(entries, 7);
    put_bytes(entries, as_bytes(message));
  }
  return entries;
}

inline std::string text_of(const store::Channel::Taken& taken) {
  return std::string(as_chars(taken.bytes));
}

// A wait for one message, which is taken.
inline store::Wait receive(store::Channel& channel,
                           store::Channel::Taken& taken,
                           TimePoint until,
                           store::InterruptPoint* point,
                           const std::shared_ptr<Sleep>& sleep) {
  store::Channel::Turn turn(channel, sleep);
  const store::Wait wait = turn.await(until, point);
  if (wait == store::Wait::ready) taken = turn.take();
  return wait;
}

struct ChannelFixture {
  using Wait = store::Wait;
  using Room = store::Channel::Room;
  using Taken = store::Channel::Taken;

  explicit ChannelFixture(std::uint64_t bytes_max = 0, std::uint64_t budget_bytes = 1 << 30)
      : budget(budget_bytes, events), channel(make(bytes_max)) {}
  std::shared_ptr<store::Channel> make(std::uint64_t bytes_max, std::uint64_t number = 7) {
    const store::ChannelOptions options{store::ChannelKind::terms, bytes_max};
    return std::make_shared<store::Channel>(number, options, budget, events);
  }

  void put(const std::vector<std::string>& messages) {
    channel->append(entries_of(messages), messages.size(), nullptr);
  }
  // The next message, or what there is instead.
  std::string take() {
    const auto taken = channel->try_take();
    if (taken) return text_of(*taken);
    return channel->ended() ? "(end)" : "(none)";
  }
  Wait wait_until(Taken& taken, TimePoint until, store::InterruptPoint* point = nullptr) {
    return receive(*channel, taken, until, point, sleep);
  }

  NotedChannelEvents events;
  store::ChannelBudget budget;
  std::shared_ptr<store::Channel> channel;
  const std::shared_ptr<Sleep> sleep = std::make_shared<ThreadSleep>(microseconds(0));
};

// A thread that waits for a message.
class Receiving {
 public:
  explicit Receiving(const std::shared_ptr<store::Channel>& channel,
                     store::InterruptPoint* point = nullptr,
                     TimePoint until = kNever)
      : thread_([this, channel, point, until] {
          const auto sleep = std::make_shared<ThreadSleep>(microseconds(0));
          store::Channel::Taken taken;
          result_ = receive(*channel, taken, until, point, sleep);
          if (result_ == store::Wait::ready) message_ = text_of(taken);
        }) {}
  store::Wait join() {
    thread_.join();
    return result_;
  }
  // After join().
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  store::Wait result_{};
  std::string message_;
  std::thread thread_;
};

}  // namespace pyport::test
