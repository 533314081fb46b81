#include "host/channel_events.hpp"

#include "wire/message.hpp"

namespace pyport::host {

using wire::ClosedBy;

void ChannelEvents::credit(std::uint64_t number, std::uint64_t taken) noexcept {
  outgoing_.send(wire::make_channel_credit(number, taken));
}

void ChannelEvents::closed(std::uint64_t number, bool by_python) noexcept {
  outgoing_.send(
      wire::make_channel_closed(number, by_python ? ClosedBy::python : ClosedBy::erlang));
}

void ChannelEvents::forgotten(std::uint64_t number) noexcept {
  outgoing_.send(wire::make_channel_forgotten(number));
}

void ChannelEvents::want(std::uint64_t number) noexcept {
  outgoing_.send(wire::make_want(number));
}

void ChannelEvents::pressure(bool on) noexcept {
  outgoing_.send(wire::make_pressure(on));
}

void ChannelEvents::too_many(std::uint64_t number) noexcept {
  outgoing_.send(wire::make_channel_closed(number, ClosedBy::too_many));
}

}  // namespace pyport::host
