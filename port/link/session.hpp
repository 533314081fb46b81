// The conversation with the BEAM: reads packets, hands run messages to the dispatcher and answers
// control messages itself. It never touches Python.
//
// wait() and process() belong to whoever holds the reader token. A broken link ends the process
// here: end of file is the lifeline, a malformed packet is never resynchronised.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/answer_writer.hpp"
#include "link/dispatcher.hpp"
#include "link/packet_reader.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::link {

// What HELLO is answered with.
struct HostFacts {
  std::string python;  // sys.version
  std::uint32_t python_version[3] = {};
  std::uint32_t packet_bytes_max = 0;
};

// Starts contexts; implemented where Python is known.
class ContextStarter {
 public:
  virtual ~ContextStarter() = default;
  // A thread for `inbox`. False: the limit of contexts is reached, or the system gave no thread.
  virtual bool start_context(Inbox& inbox) = 0;
  [[nodiscard]] virtual std::uint64_t env_count() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t output_dropped() const noexcept = 0;
};

struct SessionOptions {
  microseconds spin{50};
  std::optional<milliseconds> kill_after;  // of a context that names none; none: never
};

class Session final : public Source {
 public:
  Session(PacketReader& reader,
          AnswerWriter& writer,
          Dispatcher& dispatcher,
          ContextStarter& contexts,
          const WakeFd& wake,
          HostFacts facts,
          const SessionOptions& options);

  void wait(Spin spin, TimePoint until) override;
  void process() override;
  void wake() noexcept override { wake_.wake(); }

 private:
  void process_packet(ByteView content);
  void accept_run(const wire::Message& head, ByteView message, std::optional<Payload> memory);
  void control(const wire::Message& head, ByteView term);
  void hello(std::uint64_t id, ByteView term);
  void open_context(std::uint64_t id, ByteView term);
  void close_context(std::uint64_t id, ByteView term);
  void interrupt(std::uint64_t id, ByteView term);
  void info(std::uint64_t id);
  void answer(wire::Op op, std::uint64_t id, const Bytes& term);
  void refuse(std::uint64_t id, const Error& error);
  [[noreturn]] void broken(const Error& error);
  bool spin_for_input();

  PacketReader& reader_;
  AnswerWriter& writer_;
  Dispatcher& dispatcher_;
  ContextStarter& contexts_;
  const WakeFd& wake_;
  const HostFacts facts_;
  const SessionOptions options_;
  const TimePoint started_ = Clock::now();
  bool have_input_ = false;        // wait() has read something that process() has not seen
  TimePoint read_at_{};            // when that was; deadlines count from here
  std::vector<Request> requests_;  // of the packets at hand, in order
  std::uint64_t messages_total_ = 0;
};

}  // namespace pyport::link
