// Asks the BEAM about processes: WATCH and UNWATCH on the link. Any thread, also with the GIL:
// nothing here blocks.
#pragma once

#include "link/outgoing.hpp"
#include "store/processes.hpp"

namespace pyport::host {

class ProcessEvents final : public store::ProcessEvents {
 public:
  explicit ProcessEvents(link::Outgoing& outgoing) noexcept : outgoing_(outgoing) {}

  void watch(std::uint64_t key, ByteView pid) noexcept override;
  void unwatch(std::uint64_t key) noexcept override;

 private:
  link::Outgoing& outgoing_;
};

}  // namespace pyport::host
