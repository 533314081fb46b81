// What of the store the process has: its buffers, the messages about them, and what the BEAM is
// told. Everything given to the constructor outlives it.
#pragma once

#include <utility>

#include "host/store_events.hpp"
#include "host/store_messages.hpp"
#include "store/buffers.hpp"

namespace pyport::host {

class Resources {
 public:
  Resources(store::BudgetLimits limits,
            std::size_t buffers_max,
            link::AnswerWriter& writer,
            const WakeFd& reader_wake)
      : events_(writer, reader_wake), buffers_(std::move(limits), events_, buffers_max) {}

  [[nodiscard]] store::Buffers& buffers() noexcept { return buffers_; }
  [[nodiscard]] StoreMessages& messages() noexcept { return messages_; }

 private:
  StoreEvents events_;
  store::Buffers buffers_;
  StoreMessages messages_{buffers_, events_};
};

}  // namespace pyport::host
