// The buffers of the process, by the number that the BEAM gave them and by their Erlang reference.
//
// A buffer is here from BUFFER_NEW until BUFFER_DROP. One that Python held, let go of, and that is
// closed and drained gives its content back at once and leaves when kDrainedCountMax others have
// come to that after it: until then its reference still becomes a PyBuffer at its end. Python may
// hold one longer than it is here. Any thread; no member blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "store/buffer.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

class Buffers {
 public:
  Buffers(BudgetLimits limits, BufferEvents& events, std::size_t count_max);

  // `reference` is the external term without its version byte. An error: the limit of buffers is
  // reached, or the number or the reference is known.
  Result<Done> create(std::uint64_t number, ByteView reference, const BufferOptions& options);
  // Null: there is none (any more).
  [[nodiscard]] std::shared_ptr<Buffer> find(std::uint64_t number);
  [[nodiscard]] std::shared_ptr<Buffer> find(ByteView reference);
  // Nobody in the BEAM uses it any more. If it was open its writer died.
  void drop(std::uint64_t number);
  // Python has an object for it; balanced by released().
  void held(const std::shared_ptr<Buffer>& buffer);
  void released(const std::shared_ptr<Buffer>& buffer);
  // Empty for a buffer without a reference.
  [[nodiscard]] Bytes reference_of(const Buffer& buffer);

  struct Counts {
    std::size_t count;
    std::uint64_t memory_bytes;
    std::uint64_t file_bytes;
  };
  [[nodiscard]] Counts counts();
  [[nodiscard]] Budget& budget() noexcept { return budget_; }
};

}  // namespace pyport::store
