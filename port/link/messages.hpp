// What the messages of the BEAM do, whichever lane brought them: run messages go to the dispatcher,
// messages about buffers, channels and processes to the store, control messages are answered here.
// It never touches Python.
//
// Any thread: what belongs to one lane is in its Inflow. Within a lane the order is kept: a buffer
// message has had its effect before a later request is handed on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/payload.hpp"
#include "link/answer_writer.hpp"
#include "link/dispatcher.hpp"
#include "link/resource_messages.hpp"
#include "link/traffic.hpp"
#include "wire/packet.hpp"

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

// What a lane has read and not yet handed on.
struct Inflow {
  Dispatcher::Submitter submitter;
  TimePoint read_at{};            // when the messages at hand were read; deadlines count from here
  std::vector<Request> requests;  // in order
};

class Messages {
 public:
  // `kill_after` is that of a context that names none; none: never.
  Messages(AnswerWriter& writer,
           Dispatcher& dispatcher,
           ContextStarter& contexts,
           ResourceMessages& resources,
           Traffic& traffic,
           HostFacts facts,
           std::optional<milliseconds> kill_after);

  // Carries out the content of one packet; its run messages wait in `inflow` for submit().
  // `memory` is where the content lies, if that is its own. An error breaks the lane.
  Result<Done> packet(Inflow& inflow, ByteView content, std::optional<Payload> memory);
  void submit(Inflow& inflow);
  // For what the lanes do by themselves.
  [[nodiscard]] Result<Payload> memory_for_send(std::size_t bytes) {
    return resources_.memory_for_send(bytes);
  }
  [[nodiscard]] Traffic& traffic() noexcept { return traffic_; }

 private:
  Result<Done> message(Inflow& inflow,
                       const wire::Message& head,
                       ByteView message,
                       std::optional<Payload> memory);
  Result<Done> control(const wire::Message& head, ByteView term);
  void hello(std::uint64_t id, ByteView term);
  void open_context(std::uint64_t id, ByteView term);
  void close_context(std::uint64_t id, ByteView term);
  void interrupt(std::uint64_t id, ByteView term);
  // A CHANNEL_SEND and those that follow it for the same channel; how many those are.
  Result<std::size_t> sends(wire::PacketWalk& walk,
                            const wire::Message& head,
                            ByteView message,
                            std::optional<Payload> memory);
  void resource_info(wire::Op op, std::uint64_t id, ByteView term);
  void info(std::uint64_t id);
  void answer_atom(wire::Op op, std::uint64_t id, const char* name);
  void answer(wire::Op op, std::uint64_t id, const Bytes& term);
  void refuse(std::uint64_t id, const Error& error);

  AnswerWriter& writer_;
  Dispatcher& dispatcher_;
  ContextStarter& contexts_;
  ResourceMessages& resources_;
  Traffic& traffic_;
  const HostFacts facts_;
  const std::optional<milliseconds> kill_after_;
  const TimePoint started_ = Clock::now();
};

// Ends the process: a lane that broke is never resynchronised. `lane` names it in the log.
[[noreturn]] void lane_broke(const char* lane, const Error& error);

}  // namespace pyport::link
