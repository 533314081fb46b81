// The buffers of the process, by the number that the BEAM gave them and by their Erlang reference.
//
// How long one is here is said in store/registry.hpp and store/dropped.hpp. One that is closed,
// drained and let go of gives its content back at once; with Retain::all it stays as it is.
//
// Any thread; no member blocks. The mutex is a leaf: events are told and buffers die outside it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "store/buffer.hpp"
#include "store/registry.hpp"

namespace pyport::store {

class Buffers {
 public:
  // Events and `dropped` outlive it.
  Buffers(BudgetLimits limits, BufferEvents& events, std::size_t count_max, Dropped& dropped);
  ~Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  // `reference` is the external term without its version byte. An error: the limit of buffers is
  // reached (too_large), or the number or the reference is known (protocol).
  Result<Done> create(std::uint64_t number, ByteView reference, const BufferOptions& options);
  // Null: there is none (any more). Without any buffer this takes no lock.
  [[nodiscard]] std::shared_ptr<Buffer> find(std::uint64_t number) {
    return registry_.find(number);
  }
  [[nodiscard]] std::shared_ptr<Buffer> find(ByteView reference) {
    return registry_.find(reference);
  }
  // Buffer::end(), for one that may be drained and let go of already. Unknown numbers are ignored.
  void end(std::uint64_t number, BufferState how);
  // Nobody in the BEAM uses it any more. If it was open its writer died.
  void drop(std::uint64_t number);

  // The lane has committed to it, and with that perhaps the end that came meanwhile.
  void written(const std::shared_ptr<Buffer>& buffer) { retire(buffer); }
  // Python has an object for it; balanced by released().
  void held(const std::shared_ptr<Buffer>& buffer) { registry_.held(buffer); }
  void released(const std::shared_ptr<Buffer>& buffer);
  // Empty for a buffer without a reference; one that was dropped keeps it.
  [[nodiscard]] static Bytes reference_of(const Buffer& buffer);

  struct Counts {
    std::size_t count;
    std::uint64_t memory_bytes;
    std::uint64_t file_bytes;
  };
  [[nodiscard]] Counts counts() const noexcept;
  [[nodiscard]] Budget& budget() noexcept { return budget_; }

 private:
  // If Python has let go of it and nothing more can come: gives back its content, and forgets the
  // one that came to that kDrainedCountMax ago.
  void retire(const std::shared_ptr<Buffer>& buffer);

  BufferEvents& events_;
  Budget budget_;
  Registry<Buffer> registry_;
};

}  // namespace pyport::store
