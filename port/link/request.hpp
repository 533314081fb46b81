// A run message on its way to a context.
#pragma once

#include "core/payload.hpp"
#include "sys/clock.hpp"
#include "wire/message.hpp"

namespace pyport::link {

struct Request {
  wire::Message head;
  TimePoint deadline = kNever;
  Payload message;  // the whole message; `head` says where its term begins

  [[nodiscard]] ByteView term() const noexcept { return message.view().subspan(head.term_offset); }
};

}  // namespace pyport::link
