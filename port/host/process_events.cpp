#include "host/process_events.hpp"

#include "wire/message.hpp"

namespace pyport::host {

void ProcessEvents::watch(std::uint64_t key, ByteView pid) noexcept {
  outgoing_.send(wire::make_watch(key, pid));
}

void ProcessEvents::unwatch(std::uint64_t key) noexcept {
  outgoing_.send(wire::make_unwatch(key));
}

}  // namespace pyport::host
