// Tells the BEAM what the store says about channels. Any thread, also with the GIL: nothing here
// blocks. Messages of channels go the same way, so a CLOSED is behind them.
#pragma once

#include "link/outgoing.hpp"
#include "store/channel.hpp"

namespace pyport::host {

class ChannelEvents final : public store::ChannelEvents {
 public:
  explicit ChannelEvents(link::Outgoing& outgoing) noexcept : outgoing_(outgoing) {}

  void credit(std::uint64_t number, std::uint64_t taken) noexcept override;
  void closed(std::uint64_t number, bool by_python) noexcept override;
  void forgotten(std::uint64_t number) noexcept override;
  void want(std::uint64_t number) noexcept override;
  void pressure(bool on) noexcept override;
  // It cannot be made.
  void too_many(std::uint64_t number) noexcept;

 private:
  link::Outgoing& outgoing_;
};

}  // namespace pyport::host
