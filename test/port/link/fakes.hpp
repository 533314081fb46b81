// What the messages of the BEAM meet, in memory.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "link/buffer_writes.hpp"
#include "link/bulk_lane.hpp"
#include "link/messages.hpp"
#include "link/resource_messages.hpp"
#include "pipe.hpp"

namespace pyport::test {

class FakeResources final : public link::ResourceMessages {
 public:
  Result<Done> message(const wire::Message& head, ByteView body) override {
    if (on_message) on_message();
    seen.emplace_back(head.op, Bytes(body.begin(), body.end()));
    return Done{};
  }
  [[nodiscard]] Result<Payload> memory_for_send(std::size_t bytes) override {
    return Payload::with_size(bytes);
  }
  [[nodiscard]] std::shared_ptr<const void> undecoded() override { return nullptr; }
  void send(std::uint64_t channel, ByteView entries, std::size_t count) override {
    sent.push_back({channel, Bytes(entries.begin(), entries.end()), count, false});
  }
  void send(std::uint64_t channel, Payload memory, std::size_t offset) override {
    const ByteView message = memory.view().subspan(offset);
    sent.push_back({channel, Bytes(message.begin(), message.end()), 1, true});
  }
  [[nodiscard]] std::optional<Bytes> buffer_info(std::uint64_t number) override {
    if (number != 1) return std::nullopt;
    return Bytes{131, 106};  // []
  }
  [[nodiscard]] std::optional<Bytes> channel_info(std::uint64_t number) override {
    if (number != 2) return std::nullopt;
    return Bytes{131, 97, 2};  // 2
  }
  [[nodiscard]] Counts counts() override { return {3, 2000, 1000, 4, 500}; }

  std::function<void()> on_message;
  std::vector<std::pair<wire::Op, Bytes>> seen;
  struct Sent {
    std::uint64_t channel;
    Bytes bytes;
    std::size_t count;
    bool own;  // the message, in memory of its own
  };
  std::vector<Sent> sent;
};

// Buffers that take `room` bytes at a time and hold `bytes_max`.
class FakeWrites final : public link::BufferWrites {
 public:
  bool select(std::uint64_t number) override {
    ++selects;
    selected = nullptr;
    const auto at = buffers.find(number);
    if (at != buffers.end()) selected = &at->second;
    return selected != nullptr;
  }
  [[nodiscard]] std::span<std::uint8_t> reserve(std::size_t bytes) override {
    const std::size_t left = bytes_max - std::min(bytes_max, selected->size());
    reserved = Bytes(std::min({bytes, room, left}));
    reservations.push_back(reserved.size());
    return {reserved.data(), reserved.size()};
  }
  void commit(std::size_t bytes) override {
    commits.push_back(bytes);
    selected->insert(
        selected->end(), reserved.begin(), reserved.begin() + static_cast<std::ptrdiff_t>(bytes));
  }
  void release() override { selected = nullptr; }

  std::map<std::uint64_t, Bytes> buffers;
  std::size_t room = SIZE_MAX;
  std::size_t bytes_max = SIZE_MAX;
  Bytes* selected = nullptr;
  Bytes reserved;
  int selects = 0;
  std::vector<std::size_t> reservations;
  std::vector<std::size_t> commits;
};

class FakeStarter final : public link::ContextStarter {
 public:
  bool start_context(link::Inbox&) override { return false; }
  [[nodiscard]] std::uint64_t env_count() const noexcept override { return 0; }
  [[nodiscard]] std::uint64_t output_dropped() const noexcept override { return 0; }
};

class NoInterrupter final : public link::Interrupter {
 public:
  void interrupt(std::uint32_t, std::uint64_t) noexcept override {}
};

// The messages of a program without contexts of its own; answers come out of `pipe`.
struct MessagesRig {
  Pipe pipe;
  link::AnswerWriter writer{pipe.write_end.get(), 1 << 20};
  link::Dispatcher dispatcher{writer, link::DispatchLimits{}};
  FakeStarter starter;
  FakeResources resources;
  link::Traffic traffic;
  link::Messages messages{writer, dispatcher, starter, resources, traffic, {}, std::nullopt};

  // The content of the packets that were answered, each with its length.
  Bytes answers() {
    writer.try_flush();
    return pipe.take();
  }
};

// Messages as the BEAM writes them.
inline Bytes resource_message(wire::Op op, std::uint64_t number, ByteView data = {}) {
  Bytes message;
  wire::put_answer_header(message, op, number);
  put_bytes(message, data);
  return message;
}
inline Bytes call_message(std::uint64_t id, std::uint32_t context, std::size_t term_bytes = 3) {
  Bytes message;
  wire::put_answer_header(message, wire::Op::call, id);
  put_u8(message, 0);
  put_u32(message, context);
  put_u64(message, 0);
  put_u32(message, 0);
  message.resize(message.size() + term_bytes, 7);
  return message;
}
inline Bytes batch_of(const std::vector<Bytes>& messages) {
  Bytes batch{static_cast<std::uint8_t>(wire::Op::batch)};
  for (const Bytes& message : messages)
    put_bytes(batch, packet(message));
  return batch;
}

}  // namespace pyport::test
