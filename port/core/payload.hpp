// Received bytes with one owner: the memory a message was read into, or a copy of a small one.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>

#include "core/bytes.hpp"

namespace pyport {

class Payload {
 public:
  Payload() noexcept = default;

  [[nodiscard]] static Payload copy_of(ByteView bytes) {
    Payload made = with_size(bytes.size());
    if (!bytes.empty()) std::memcpy(made.data_.get(), bytes.data(), bytes.size());
    return made;
  }
  // Not initialised: the caller fills it through bytes().
  [[nodiscard]] static Payload with_size(std::size_t size) {
    Payload made;
    made.data_ = std::make_unique_for_overwrite<std::uint8_t[]>(size);
    made.size_ = size;
    return made;
  }

  [[nodiscard]] ByteView view() const noexcept { return {data_.get(), size_}; }
  [[nodiscard]] std::uint8_t* data() noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<std::uint8_t[]> data_;
  std::size_t size_ = 0;
};

}  // namespace pyport
