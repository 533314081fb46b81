// The BEAM's messages about channels, carried out on the store. Any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "core/bytes.hpp"
#include "core/payload.hpp"
#include "core/result.hpp"
#include "host/channel_events.hpp"
#include "store/channels.hpp"
#include "wire/message.hpp"

namespace pyport::host {

class ChannelMessages {
 public:
  ChannelMessages(store::Channels& channels,
                  ChannelEvents& events,
                  store::Dropped& dropped) noexcept
      : channels_(channels), events_(events), dropped_(dropped) {}

  // As link::ResourceMessages.
  Result<Done> message(const wire::Message& head, ByteView body);
  void send(std::uint64_t channel, ByteView entries, std::size_t count);
  void send(std::uint64_t channel, Payload memory, std::size_t offset);
  [[nodiscard]] std::optional<Bytes> info(std::uint64_t number);
  [[nodiscard]] store::Channels::Counts counts() const noexcept { return channels_.counts(); }

 private:
  Result<Done> create(std::uint64_t number, ByteView body);

  store::Channels& channels_;
  ChannelEvents& events_;
  store::Dropped& dropped_;
};

}  // namespace pyport::host
