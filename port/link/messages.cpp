#include "link/messages.hpp"

#include <cstring>
#include <iterator>
#include <unistd.h>
#include <utility>

#include "etf/control.hpp"
#include "sys/log.hpp"
#include "sys/process.hpp"
#include "wire/packet.hpp"

namespace pyport::link {

namespace {

// A message to a channel that came alone is copied into memory of its own from here on; a smaller
// one joins others.
constexpr std::size_t kOwnMemoryBytes = 4U << 10;

}  // namespace

Messages::Messages(AnswerWriter& writer,
                   Dispatcher& dispatcher,
                   ContextStarter& contexts,
                   ResourceMessages& resources,
                   Traffic& traffic,
                   HostFacts facts,
                   std::optional<milliseconds> kill_after)
    : writer_(writer),
      dispatcher_(dispatcher),
      contexts_(contexts),
      resources_(resources),
      traffic_(traffic),
      facts_(std::move(facts)),
      kill_after_(kill_after) {}

Result<Done> Messages::packet(Inflow& inflow, ByteView content, std::optional<Payload> memory) {
  wire::PacketWalk walk(content);
  if (!walk.more()) return Error{Errc::protocol, "an empty batch"};
  std::uint64_t count = 0;
  while (walk.more()) {
    PYPORT_TRY(const ByteView one, walk.next());
    PYPORT_TRY(const wire::Message head, wire::parse_message(one));
    ++count;
    auto own = walk.single() ? std::exchange(memory, std::nullopt) : std::nullopt;
    if (head.op == wire::Op::channel_send) {
      PYPORT_TRY(const std::size_t same, sends(walk, head, one, std::move(own)));
      count += same;
      continue;
    }
    PYPORT_TRY([[maybe_unused]] auto done, message(inflow, head, one, std::move(own)));
  }
  traffic_.note_in({count, 0});
  return Done{};
}

Result<Done> Messages::message(Inflow& inflow,
                               const wire::Message& head,
                               ByteView message,
                               std::optional<Payload> memory) {
  const ByteView rest = message.subspan(head.term_offset);
  if (wire::is_run(head.op)) {
    Request request;
    request.head = head;
    request.undecoded = resources_.undecoded();
    if (memory) {
      request.message = std::move(*memory);
    } else {
      PYPORT_TRY(request.message, Payload::copy_of(message));
    }
    if (head.timeout_ms != 0) request.deadline = inflow.read_at + milliseconds(head.timeout_ms);
    inflow.requests.push_back(std::move(request));
    return Done{};
  }
  if (wire::is_buffer(head.op) || wire::is_channel(head.op)) return resources_.message(head, rest);
  // What was read before it comes first: CANCEL follows the request it cancels.
  submit(inflow);
  return control(head, rest);
}

Result<std::size_t> Messages::sends(wire::PacketWalk& walk,
                                    const wire::Message& head,
                                    ByteView message,
                                    std::optional<Payload> memory) {
  if (!walk.single()) {
    const wire::PacketWalk::Run run = walk.same_as(message);
    resources_.send(head.id, run.entries, run.count);
    return run.count - 1;
  }
  if (!memory && message.size() >= kOwnMemoryBytes) {
    PYPORT_TRY(memory, memory_for_send(message.size()));
    std::memcpy(memory->data(), message.data(), message.size());
  }
  if (memory) {
    resources_.send(head.id, *std::move(memory), head.term_offset);
  } else {
    Bytes entry;
    entry.reserve(wire::kLengthBytes + message.size());
    put_u32(entry, static_cast<std::uint32_t>(message.size()));
    put_bytes(entry, message);
    resources_.send(head.id, entry, 1);
  }
  return std::size_t{0};
}

void Messages::submit(Inflow& inflow) {
  if (!inflow.requests.empty()) dispatcher_.submit(inflow.requests, inflow.submitter);
}

Result<Done> Messages::control(const wire::Message& head, ByteView term) {
  switch (head.op) {
    case wire::Op::hello:
      hello(head.id, term);
      return Done{};
    case wire::Op::ping:
      answer_atom(wire::Op::ok, head.id, "pong");
      return Done{};
    case wire::Op::info:
      info(head.id);
      return Done{};
    case wire::Op::cancel:
      dispatcher_.cancel(head.id);
      return Done{};
    case wire::Op::interrupt:
      interrupt(head.id, term);
      return Done{};
    case wire::Op::context_open:
      open_context(head.id, term);
      return Done{};
    case wire::Op::context_close:
      close_context(head.id, term);
      return Done{};
    case wire::Op::buffer_info:
    case wire::Op::channel_info:
      resource_info(head.op, head.id, term);
      return Done{};
    default:
      return Error{Errc::protocol, "a message that only the program sends"};
  }
}

void Messages::hello(std::uint64_t id, ByteView term) {
  auto theirs = etf::read_hello(term);
  if (!theirs.ok()) return refuse(id, theirs.error());
  etf::ControlWriter out;
  if (theirs.value() != wire::kProtocol) {
    out.tuple(3).atom("protocol_mismatch").integer(wire::kProtocol).integer(theirs.value());
    return answer(wire::Op::error, id, out.bytes());
  }
  const auto& version = facts_.python_version;
  out.map(6).atom("protocol").integer(wire::kProtocol);
  out.atom("version").binary(PYPORT_VERSION);
  out.atom("python").binary(facts_.python);
  out.atom("python_version").tuple(3).integer(version[0]).integer(version[1]).integer(version[2]);
  out.atom("os_pid").integer(static_cast<std::uint64_t>(::getpid()));
  out.atom("frame_bytes_max").integer(facts_.packet_bytes_max);
  answer(wire::Op::ok, id, out.bytes());
  writer_.allow_batches();
}

void Messages::open_context(std::uint64_t id, ByteView term) {
  auto wanted = etf::read_context_open(term);
  if (!wanted.ok()) return refuse(id, wanted.error());
  std::optional<milliseconds> kill_after = kill_after_;
  if (wanted.value().kill_after_given) {
    kill_after.reset();
    if (wanted.value().kill_after_ms) kill_after = milliseconds(*wanted.value().kill_after_ms);
  }
  const std::uint32_t context = wanted.value().context;
  Inbox* const inbox = dispatcher_.open(context, kill_after);
  if (inbox == nullptr) {
    return refuse(id, Error{Errc::usage, "context " + std::to_string(context) + " exists"});
  }
  if (!contexts_.start_context(*inbox)) {
    dispatcher_.forget(*inbox);
    return refuse(id, Error{Errc::too_large, "no thread for another context"});
  }
  answer_atom(wire::Op::ok, id, "ok");
}

void Messages::close_context(std::uint64_t id, ByteView term) {
  auto context = etf::read_context(term);
  if (!context.ok()) return refuse(id, context.error());
  if (!dispatcher_.close(context.value())) return answer_atom(wire::Op::error, id, "no_context");
  answer_atom(wire::Op::ok, id, "ok");
}

void Messages::interrupt(std::uint64_t id, ByteView term) {
  auto context = etf::read_context(term);
  if (!context.ok()) return refuse(id, context.error());
  answer_atom(wire::Op::ok, id, dispatcher_.interrupt(context.value()) ? "true" : "false");
}

void Messages::resource_info(wire::Op op, std::uint64_t id, ByteView term) {
  auto number = etf::read_natural(term);
  if (!number.ok()) return refuse(id, number.error());
  const bool buffer = op == wire::Op::buffer_info;
  const auto facts =
      buffer ? resources_.buffer_info(number.value()) : resources_.channel_info(number.value());
  if (!facts) return answer_atom(wire::Op::error, id, buffer ? "no_buffer" : "no_channel");
  answer(wire::Op::ok, id, *facts);
}

void Messages::info(std::uint64_t id) {
  const Dispatcher::Counts counts = dispatcher_.counts();
  const Traffic::Count in = traffic_.in();
  const Traffic::Count out_bulk = traffic_.bulk_out();
  const ResourceMessages::Counts held = resources_.counts();
  const auto uptime = std::chrono::duration_cast<milliseconds>(Clock::now() - started_);
  const std::pair<const char*, std::uint64_t> facts[] = {
      {"os_pid", static_cast<std::uint64_t>(::getpid())},
      {"uptime_ms", static_cast<std::uint64_t>(uptime.count())},
      {"rss_bytes", resident_bytes()},
      {"frames_in", in.messages},
      {"frames_out", writer_.messages_total() + out_bulk.messages},
      {"bytes_in", in.bytes},
      {"bytes_out", writer_.bytes_total() + out_bulk.bytes},
      {"requests", counts.requests},
      {"contexts", counts.contexts},
      {"queued", counts.queued},
      {"envs", contexts_.env_count()},
      {"interrupts", counts.interrupts},
      {"output_dropped", contexts_.output_dropped()},
      {"buffers", held.buffers},
      {"buffer_memory_bytes", held.buffer_memory_bytes},
      {"buffer_file_bytes", held.buffer_file_bytes},
      {"channels", held.channels},
      {"channel_bytes", held.channel_bytes},
  };
  etf::ControlWriter out;
  out.map(std::size(facts));
  for (const auto& [name, value] : facts)
    out.atom(name).integer(value);
  answer(wire::Op::ok, id, out.bytes());
}

void Messages::answer_atom(wire::Op op, std::uint64_t id, const char* name) {
  etf::ControlWriter out;
  out.atom(name);
  answer(op, id, out.bytes());
}

void Messages::answer(wire::Op op, std::uint64_t id, const Bytes& term) {
  writer_.append(wire::make_answer(op, id, term));
}

void Messages::refuse(std::uint64_t id, const Error& error) {
  etf::ControlWriter out;
  out.tuple(2).atom("bad_request").binary(error.detail);
  answer(wire::Op::error, id, out.bytes());
}

void lane_broke(const char* lane, const Error& error) {
  log_line("the " + std::string(lane) + " broke: " + error.detail);
  exit_process(error.code == Errc::os ? Exit::os_error : Exit::protocol);
}

}  // namespace pyport::link
