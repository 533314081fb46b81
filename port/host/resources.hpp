// What of the store the process has: its buffers and channels, the processes that it knows,
// the messages about them, and what the BEAM is told. Everything given to the constructor outlives
// it.
#pragma once

#include <memory>
#include <utility>

#include "host/channel_events.hpp"
#include "host/process_events.hpp"
#include "host/store_events.hpp"
#include "host/store_messages.hpp"
#include "store/buffers.hpp"
#include "store/channels.hpp"
#include "store/processes.hpp"

namespace pyport::host {

class Resources {
 public:
  struct Limits {
    store::BudgetLimits buffers;
    std::size_t buffers_max;
    store::Channels::Limits channels;
  };
  Resources(Limits limits,
            link::AnswerWriter& writer,
            const WakeFd& reader_wake,
            link::Outgoing& outgoing)
      : events_(writer, reader_wake),
        process_events_(outgoing),
        channel_events_(outgoing),
        buffers_(std::move(limits.buffers), events_, limits.buffers_max, dropped_),
        channels_(limits.channels, channel_events_, dropped_),
        processes_(std::make_shared<store::Processes>(process_events_)) {}

  [[nodiscard]] store::Buffers& buffers() noexcept { return buffers_; }
  [[nodiscard]] store::Channels& channels() noexcept { return channels_; }
  [[nodiscard]] store::Dropped& dropped() noexcept { return dropped_; }
  [[nodiscard]] store::Processes& processes() noexcept { return *processes_; }
  [[nodiscard]] StoreMessages& messages() noexcept { return messages_; }

 private:
  StoreEvents events_;
  ProcessEvents process_events_;
  ChannelEvents channel_events_;
  store::Dropped dropped_;
  store::Buffers buffers_;
  store::Channels channels_;
  std::shared_ptr<store::Processes> processes_;  // owners: this, and threads that wait in it
  StoreMessages messages_{{buffers_, events_, channels_, channel_events_, *processes_, dropped_}};
};

}  // namespace pyport::host
