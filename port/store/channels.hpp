// The channels of the process, by the number that the BEAM gave them and by their Erlang reference.
//
// How long one is here is said in store/registry.hpp and store/dropped.hpp. One is over when it has
// ended and its queue is empty; one that Python closed loses its queue when Python lets go of it.
//
// Any thread; no member blocks. The mutex is a leaf: events are told and channels die outside it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "store/channel.hpp"
#include "store/channel_budget.hpp"
#include "store/registry.hpp"

namespace pyport::store {

class Channels {
 public:
  struct Limits {
    std::uint64_t bytes_max = std::uint64_t{256} << 20;  // ChannelBudget's
    std::size_t count_max = 65536;
  };
  // Events and `dropped` outlive it.
  Channels(const Limits& limits, ChannelEvents& events, Dropped& dropped)
      : events_(events),
        budget_(limits.bytes_max, events),
        registry_("channel", limits.count_max, dropped) {}
  ~Channels() = default;
  Channels(const Channels&) = delete;
  Channels& operator=(const Channels&) = delete;

  // `reference` is the external term without its version byte. An error: the limit of channels is
  // reached (too_large), or the number or the reference is known (protocol).
  Result<Done> create(std::uint64_t number, ByteView reference, const ChannelOptions& options);
  // Null: there is none (any more). Without any channel this takes no lock.
  [[nodiscard]] std::shared_ptr<Channel> find(std::uint64_t number) {
    return registry_.find(number);
  }
  [[nodiscard]] std::shared_ptr<Channel> find(ByteView reference) {
    return registry_.find(reference);
  }
  // Channel::end(), for one that may be let go of already. Unknown numbers are ignored.
  void end(std::uint64_t number, std::uint64_t total);
  // Nobody in the BEAM uses it any more.
  void drop(std::uint64_t number);

  // Python has an object for it; balanced by released().
  void held(const std::shared_ptr<Channel>& channel) { registry_.held(channel); }
  void released(const std::shared_ptr<Channel>& channel);

  struct Counts {
    std::size_t count;
    std::uint64_t memory_bytes;
  };
  [[nodiscard]] Counts counts() const noexcept {
    return {registry_.count(), budget_.memory_bytes()};
  }
  [[nodiscard]] ChannelBudget& budget() noexcept { return budget_; }

 private:
  // If Python does not hold it and it is over: forgets the one that came to that kDrainedCountMax
  // ago.
  void retire(const std::shared_ptr<Channel>& channel);

  ChannelEvents& events_;
  ChannelBudget budget_;
  Registry<Channel> registry_;
};

}  // namespace pyport::store
