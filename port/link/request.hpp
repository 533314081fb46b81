// A run message on its way to a context.
#pragma once

#include <cstddef>
#include <memory>

#include "core/payload.hpp"
#include "sys/clock.hpp"
#include "wire/message.hpp"

namespace pyport::link {

struct Request {
  wire::Message head;
  TimePoint deadline = kNever;
  // ResourceMessages::undecoded(); owners: the messages that came in between two drops, and the
  // store.
  std::shared_ptr<const void> undecoded;
  Payload message;  // the whole message; `head` says where its term begins

  [[nodiscard]] ByteView term() const noexcept { return message.view().subspan(head.term_offset); }
  // What the limit of queued requests counts: not the news that an environment is to go, which
  // nobody waits for and which must not get lost.
  [[nodiscard]] std::size_t queue_count() const noexcept { return head.id == 0 ? 0 : 1; }
};

}  // namespace pyport::link
