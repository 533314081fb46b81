// The link as something to wait for and to read: what the dispatcher's Source is in the program.
//
// wait() and process() belong to whoever holds the reader token. A broken link ends the process
// here: end of file is the lifeline, a malformed packet is never resynchronised.
#pragma once

#include <atomic>
#include <cstdint>

#include "link/answer_writer.hpp"
#include "link/dispatcher.hpp"
#include "link/messages.hpp"
#include "link/packet_reader.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::link {

class Session final : public Source {
 public:
  Session(PacketReader& reader,
          AnswerWriter& writer,
          Messages& messages,
          const WakeFd& wake,
          microseconds spin);

  void wait(Spin spin, TimePoint until) override;
  void process() override;
  void wake() noexcept override;

 private:
  bool spin_for_input();
  void sleep(TimePoint until);

  PacketReader& reader_;
  AnswerWriter& writer_;
  Messages& messages_;
  const WakeFd& wake_;
  const microseconds spin_;
  // A wake() costs a system call only where the waiting thread sleeps: who waits sets sleeping_ and
  // then looks at woken_, who wakes sets woken_ and then looks at sleeping_.
  std::atomic<bool> woken_{false};
  std::atomic<bool> sleeping_{false};
  bool have_input_ = false;  // wait() has read something that process() has not seen
  Inflow inflow_{Dispatcher::Submitter::reader, {}, {}};
  std::uint64_t counted_ = 0;  // bytes that were noted
};

}  // namespace pyport::link
