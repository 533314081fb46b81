// The BEAM's messages about buffers, carried out on the store. The link and the store do not know
// each other; they meet here.
#pragma once

#include <memory>

#include "link/buffer_messages.hpp"
#include "store/buffers.hpp"

namespace pyport::host {

class StoreMessages final : public link::BufferMessages {
 public:
  StoreMessages(store::Buffers& buffers, store::BufferEvents& events) noexcept
      : buffers_(buffers), events_(events) {}

  Result<Done> message(const wire::Message& head, ByteView body) override;
  [[nodiscard]] std::shared_ptr<const void> undecoded() override { return buffers_.undecoded(); }
  [[nodiscard]] std::optional<Bytes> info(std::uint64_t number) override;
  [[nodiscard]] Counts counts() override;

 private:
  Result<Done> create(std::uint64_t number, ByteView body);

  store::Buffers& buffers_;
  store::BufferEvents& events_;
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
