// What of the store the process has: its buffers, the messages about them, and what the BEAM is
// told. Everything given to the constructor outlives it.
#pragma once

#include <memory>
#include <utility>

#include "host/process_events.hpp"
#include "host/store_events.hpp"
#include "host/store_messages.hpp"
#include "store/buffers.hpp"
#include "store/processes.hpp"

namespace pyport::host {

class Resources {
 public:
  Resources(store::BudgetLimits limits,
            std::size_t buffers_max,
            link::AnswerWriter& writer,
            const WakeFd& reader_wake,
            link::Outgoing& outgoing)
      : events_(writer, reader_wake),
        process_events_(outgoing),
        buffers_(std::move(limits), events_, buffers_max),
        processes_(std::make_shared<store::Processes>(process_events_)) {}

  [[nodiscard]] store::Buffers& buffers() noexcept { return buffers_; }
  [[nodiscard]] store::Processes& processes() noexcept { return *processes_; }
  [[nodiscard]] StoreMessages& messages() noexcept { return messages_; }

 private:
  StoreEvents events_;
  ProcessEvents process_events_;
  store::Buffers buffers_;
  std::shared_ptr<store::Processes> processes_;  // owners: this, and threads that wait in it
  StoreMessages messages_{buffers_, events_};
};

}  // namespace pyport::host
