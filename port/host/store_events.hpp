// Tells the BEAM what the store says about buffers: CREDIT, REFUSED and FORGOTTEN on the link.
//
// Any thread, also with the GIL: nothing here blocks. What the pipe does not take is written by who
// reads the link.
#pragma once

#include "link/answer_writer.hpp"
#include "store/buffer.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::host {

class StoreEvents final : public store::BufferEvents {
 public:
  StoreEvents(link::AnswerWriter& writer, const WakeFd& reader_wake) noexcept
      : writer_(writer), reader_wake_(reader_wake) {}

  void credit(std::uint64_t number, std::uint64_t up_to) noexcept override;
  void refused(std::uint64_t number, store::BufferState why) noexcept override;
  void forgotten(std::uint64_t number) noexcept override;

 private:
  void send(ByteView message) noexcept;

  link::AnswerWriter& writer_;
  const WakeFd& reader_wake_;
};

}  // namespace pyport::host
