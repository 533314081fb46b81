// Whatever comes to a channel in whatever order, it does what a plain queue of texts would: nothing
// is lost, doubled or reordered, and room and credit are exact.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string>

#include "store/channel_budget.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test

struct Events final : store::ChannelEvents {
  void credit(std::uint64_t, std::uint64_t taken) noexcept override {
    if (taken <= told) std::abort();
    told = taken;
  }
  void closed(std::uint64_t, bool) noexcept override { ++closes; }
  void forgotten(std::uint64_t) noexcept override { std::abort(); }
  void want(std::uint64_t) noexcept override {}
  void pressure(bool on) noexcept override {
    if (on == pressed) std::abort();
    pressed = on;
  }
  std::uint64_t told = 0;
  int closes = 0;
  bool pressed = false;
};

struct Model {
  static constexpr std::uint64_t kBytesMax = 1000;
  static constexpr std::uint64_t kBudgetBytes = 20'000;

  void append(unsigned count, unsigned size, bool own) {
    Bytes entries;
    for (unsigned i = 0; i < count; ++i) {
      const std::string text(std::size_t{size} * (own ? 1 : i), static_cast<char>('a' + i % 26));
      put_u32(entries, static_cast<std::uint32_t>(9 + text.size()));
      entries.resize(entries.size() + 9);
      put_bytes(entries, as_bytes(text));
      if (over) continue;
      queue.push_back(text);
      received += text.empty() ? 1 : text.size();
    }
    if (own)
      channel->append(Payload::copy_of(entries).value(), 13, nullptr);
    else
      channel->append(entries, count, nullptr);
    over = over || (total && received >= *total);
  }
  void take() {
    const auto taken_now = channel->try_take();
    if (taken_now.has_value() == queue.empty()) std::abort();
    if (!taken_now) return;
    if (as_chars(taken_now->bytes) != queue.front()) std::abort();
    taken += queue.front().size();
    queue.pop_front();
  }
  void end(std::uint64_t at) {
    if (at == store::kTotalNone) total = received;
    if (!total) total = at;
    over = over || received >= *total;
    closed = true;
    channel->end(at);
  }
  void room(std::uint64_t size) {
    const auto answer = channel->take_room(size);
    const std::uint64_t held = outgoing - credited + size;
    const std::uint64_t besides = (uncredited + 1) * store::kMessageOverheadBytes;
    const bool fits = held <= kBytesMax && held + besides <= kBudgetBytes;
    using Room = store::Channel::Room;
    const Room expected = closed             ? Room::closed
                          : size > kBytesMax ? Room::too_large
                          : fits             ? Room::taken
                                             : Room::full;
    if (answer != expected) std::abort();
    if (answer != Room::taken) return;
    outgoing += size;
    ++uncredited;
    ++sending;
  }
  void sent() {
    if (sending == 0) return;
    --sending;
    channel->sent();
  }
  void credit(std::uint64_t up_to) {
    channel->credit({up_to, store::Channel::kAll.count});
    uncredited = 0;
    credited = std::max(credited, std::min(up_to, outgoing));
  }
  void check() const {
    const auto status = channel->status();
    if (status.messages != queue.size() || status.taken != taken) std::abort();
    if (status.closed != over || status.outgoing != outgoing) std::abort();
    if (channel->ended() != (over && queue.empty())) std::abort();
    if (taken - events.told >= store::credit_step(kBytesMax)) std::abort();
    if (events.closes != (closed && sending == 0 ? 1 : 0)) std::abort();
  }

  Events events;
  store::ChannelBudget budget{kBudgetBytes, events};
  std::shared_ptr<store::Channel> channel = std::make_shared<store::Channel>(
      7, store::ChannelOptions{store::ChannelKind::terms, kBytesMax}, budget, events);
  std::deque<std::string> queue;
  std::uint64_t received = 0;
  std::uint64_t taken = 0;
  std::uint64_t outgoing = 0;
  std::uint64_t credited = 0;
  std::uint64_t uncredited = 0;  // messages
  std::uint64_t sending = 0;
  std::optional<std::uint64_t> total;
  bool over = false;
  bool closed = false;
};

void step(Model& model, std::uint8_t what, std::uint8_t value) {
  switch (what % 12) {
    case 0:
    case 1:
    case 2:
      return model.append(value % 9 + 1U, value, false);
    case 3:
      return model.append(1, value, true);
    case 4:
      return model.end(value % 4 == 0 ? store::kTotalNone : model.received + value);
    case 5:
      model.closed = true;
      return model.channel->close();
    case 6:
      return model.channel->wanted();
    case 7:
      return model.room(std::uint64_t{value} * 5);
    case 8:
      return model.sent();
    case 9:
      return model.credit(model.credited + value);
    default:
      for (unsigned i = 0; i <= value % 16U; ++i)
        model.take();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Model model;
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    step(model, data[i], data[i + 1]);
    model.check();
  }
  const store::ChannelBudget& budget = model.budget;
  model.channel.reset();
  if (budget.memory_bytes() != 0 || budget.outgoing().memory_bytes() != 0) std::abort();
  return 0;
}
