// The messages of the BEAM and the whole store behind them.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "../link/pipe.hpp"
#include "host/channel_events.hpp"
#include "host/process_events.hpp"
#include "host/store_messages.hpp"
#include "link/outgoing.hpp"

namespace pyport::test {

inline const Bytes first_reference{90, 0, 1, 119, 1, 'n', 0, 0, 0, 0, 0, 0, 0, 7};
inline const Bytes other_reference{90, 0, 1, 119, 1, 'n', 0, 0, 0, 0, 0, 0, 0, 8};

class SeenEvents final : public store::BufferEvents {
 public:
  void credit(std::uint64_t, std::uint64_t up_to) noexcept override { credited = up_to; }
  void refused(std::uint64_t number, store::BufferState why) noexcept override {
    refusals.emplace_back(number, why);
  }
  void forgotten(std::uint64_t) noexcept override {}

  std::uint64_t credited = 0;
  std::vector<std::pair<std::uint64_t, store::BufferState>> refusals;
};

// What the BEAM's messages meet in the store; what the program says about channels comes out of
// `pipe`.
struct MessagesOfHost {
  SeenEvents events;
  store::Dropped dropped;
  store::Buffers buffers{store::BudgetLimits{}, events, 2, dropped};
  Pipe pipe;
  link::AnswerWriter writer{pipe.write_end.get(), 1 << 20};
  WakeFd wake;
  link::Outgoing outgoing{writer, wake};
  host::ChannelEvents channel_events{outgoing};
  store::Channels channels{{1 << 20, 2}, channel_events, dropped};
  host::ProcessEvents process_events{outgoing};
  std::shared_ptr<store::Processes> processes = std::make_shared<store::Processes>(process_events);
  host::StoreMessages messages{{buffers, events, channels, channel_events, *processes, dropped}};

  Result<Done> tell(wire::Op op, std::uint64_t number, ByteView body = {}) {
    wire::Message head;
    head.op = op;
    head.id = number;
    return messages.message(head, body);
  }
  Result<Done> make(std::uint64_t number,
                    ByteView reference,
                    std::uint64_t length = wire::BufferNew::kNoLength,
                    std::uint8_t retain = 0) {
    Bytes body{retain};
    put_u32(body, 65536);
    put_u64(body, length);
    put_u64(body, 4096);
    put_u64(body, 100);
    put_u8(body, 131);
    put_bytes(body, reference);
    return tell(wire::Op::buffer_new, number, body);
  }
};

}  // namespace pyport::test
