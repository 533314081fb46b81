// Received bytes with one owner: the memory a message was read into, or a copy of a small one.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "core/allocate.hpp"
#include "core/bytes.hpp"
#include "core/result.hpp"

namespace pyport {

class Payload {
 public:
  Payload() noexcept = default;

  static Result<Payload> copy_of(ByteView bytes) {
    PYPORT_TRY(Payload made, with_size(bytes.size()));
    if (!bytes.empty()) std::memcpy(made.data_.get(), bytes.data(), bytes.size());
    return made;
  }
  // Not initialised: the caller fills it through data(). An error (os): the system has not so much.
  static Result<Payload> with_size(std::size_t size) {
    Payload made;
    made.data_ = allocate_bytes(size);
    if (!made.data_) return Error{Errc::os, "no memory for " + std::to_string(size) + " bytes"};
    made.size_ = size;
    made.capacity_ = size;
    return made;
  }

  [[nodiscard]] ByteView view() const noexcept { return {data_.get(), size_}; }
  [[nodiscard]] std::uint8_t* data() noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // Of the memory, which is used again for other bytes. REQUIRES: size <= capacity().
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  void set_size(std::size_t size) noexcept { size_ = size; }

 private:
  HeapBytes data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace pyport
