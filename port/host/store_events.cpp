#include "host/store_events.hpp"

#include "wire/message.hpp"

namespace pyport::host {

void StoreEvents::credit(std::uint64_t number, std::uint64_t up_to) noexcept {
  send(wire::make_credit(number, up_to));
}

void StoreEvents::refused(std::uint64_t number, store::BufferState why) noexcept {
  send(wire::make_refused(number, static_cast<std::uint8_t>(why)));
}

void StoreEvents::forgotten(std::uint64_t number) noexcept {
  send(wire::make_forgotten(number));
}

void StoreEvents::send(ByteView message) noexcept {
  writer_.append(message);
  writer_.flush_or_wake(reader_wake_);
}

}  // namespace pyport::host
