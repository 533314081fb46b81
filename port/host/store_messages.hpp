// The BEAM's messages about what the store holds, carried out on it. The link and the store do not
// know each other; they meet here.
#pragma once

#include <memory>

#include "host/channel_messages.hpp"
#include "link/buffer_writes.hpp"
#include "link/resource_messages.hpp"
#include "store/buffers.hpp"
#include "store/processes.hpp"

namespace pyport::host {

// What a process has of them.
struct StoreParts {
  store::Buffers& buffers;
  store::BufferEvents& buffer_events;
  store::Channels& channels;
  ChannelEvents& channel_events;
  store::Processes& processes;
  store::Dropped& dropped;
};

class StoreMessages final : public link::ResourceMessages {
 public:
  explicit StoreMessages(const StoreParts& parts) noexcept
      : parts_(parts), channels_(parts.channels, parts.channel_events, parts.dropped) {}

  Result<Done> message(const wire::Message& head, ByteView body) override;
  void send(std::uint64_t channel, ByteView entries, std::size_t count) override {
    channels_.send(channel, entries, count);
  }
  void send(std::uint64_t channel, Payload memory, std::size_t offset) override {
    channels_.send(channel, std::move(memory), offset);
  }
  [[nodiscard]] Result<Payload> memory_for_send(std::size_t bytes) override {
    return parts_.channels.budget().message_memory().take(bytes);
  }
  [[nodiscard]] std::shared_ptr<const void> undecoded() override {
    return parts_.dropped.undecoded();
  }
  [[nodiscard]] std::optional<Bytes> buffer_info(std::uint64_t number) override;
  [[nodiscard]] std::optional<Bytes> channel_info(std::uint64_t number) override {
    return channels_.info(number);
  }
  [[nodiscard]] Counts counts() override;

 private:
  Result<Done> buffer_message(const wire::Message& head, ByteView body);
  Result<Done> create(std::uint64_t number, ByteView body);

  const StoreParts parts_;
  ChannelMessages channels_;
};

// The writes of one lane. One thread.
class StoreWrites final : public link::BufferWrites {
 public:
  explicit StoreWrites(store::Buffers& buffers) noexcept : buffers_(buffers) {}

  bool select(std::uint64_t number) override;
  [[nodiscard]] std::span<std::uint8_t> reserve(std::size_t bytes) override;
  void commit(std::size_t bytes) override;
  void release() override;

 private:
  store::Buffers& buffers_;
  // Owners: the lane between select() and release(), the store and Python.
  std::shared_ptr<store::Buffer> selected_;
};

}  // namespace pyport::host
