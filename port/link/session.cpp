#include "link/session.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <utility>

#include "etf/control.hpp"
#include "sys/log.hpp"
#include "sys/process.hpp"
#include "wire/packet.hpp"

namespace pyport::link {
namespace {

// `pause` between two looks at the link: about a third of a microsecond here, so that the sibling
// hyper-thread and the memory bus stay usable.
constexpr int kPausesPerLook = 8;
// The first part of the spin belongs to the next request of a lone caller; after it the processor
// is offered to whoever else wants it (the BEAM's schedulers, a context that was just woken).
constexpr microseconds kOwnSpin{8};

void pause_cpu() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

timespec time_left(TimePoint until) noexcept {
  const auto left = std::max(Clock::duration::zero(), until - Clock::now());
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {whole.count(), std::chrono::nanoseconds(left - whole).count()};
}

}  // namespace

Session::Session(PacketReader& reader,
                 AnswerWriter& writer,
                 Dispatcher& dispatcher,
                 ContextStarter& contexts,
                 const WakeFd& wake,
                 HostFacts facts,
                 const SessionOptions& options)
    : reader_(reader),
      writer_(writer),
      dispatcher_(dispatcher),
      contexts_(contexts),
      wake_(wake),
      facts_(std::move(facts)),
      options_(options) {}

bool Session::spin_for_input() {
  const TimePoint start = Clock::now();
  do {
    auto status = reader_.read();
    if (!status.ok()) broken(status.error());
    if (status.value() == PacketReader::Status::end_of_file) exit_process(Exit::done);
    if (status.value() == PacketReader::Status::some) {
      read_at_ = Clock::now();
      return true;
    }
    if (Clock::now() - start > kOwnSpin) {
      ::sched_yield();
      continue;
    }
    for (int i = 0; i < kPausesPerLook; ++i)
      pause_cpu();
  } while (Clock::now() - start < options_.spin);
  return false;
}

void Session::wait(Spin spin, TimePoint until) {
  writer_.try_flush();
  if (spin == Spin::yes && spin_for_input()) {
    have_input_ = true;
    return;
  }
  pollfd waited[3] = {{reader_.fd(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}, {-1, 0, 0}};
  if (!writer_.idle()) waited[2] = {writer_.fd(), POLLOUT, 0};
  const timespec left = until == kNever ? timespec{} : time_left(until);
  const int ready = ::ppoll(waited, 3, until == kNever ? nullptr : &left, nullptr);
  if (ready < 0 && errno != EINTR) broken(Error{Errc::os, "poll on the link"});
  if (ready <= 0) return;
  if (waited[1].revents != 0 && !wake_.clear()) broken(Error{Errc::os, "the wake descriptor"});
  if (waited[0].revents != 0) have_input_ = spin_for_input() || have_input_;
}

void Session::process() {
  if (!std::exchange(have_input_, false)) return;
  for (;;) {
    auto packet = reader_.next();
    if (!packet.ok()) broken(packet.error());
    if (!packet.value()) break;
    process_packet(*packet.value());
  }
  if (!requests_.empty()) dispatcher_.submit(requests_);
}

void Session::process_packet(ByteView content) {
  wire::PacketWalk walk(content);
  if (!walk.more()) broken(Error{Errc::protocol, "an empty batch"});
  while (walk.more()) {
    auto message = walk.next();
    if (!message.ok()) broken(message.error());
    auto head = wire::parse_message(message.value());
    if (!head.ok()) broken(head.error());
    ++messages_total_;
    if (wire::is_run(head.value().op)) {
      accept_run(
          head.value(), message.value(), walk.single() ? reader_.take_large() : std::nullopt);
    } else {
      // What was read before it comes first: CANCEL follows the request it cancels.
      if (!requests_.empty()) dispatcher_.submit(requests_);
      control(head.value(), message.value().subspan(head.value().term_offset));
    }
  }
}

void Session::accept_run(const wire::Message& head,
                         ByteView message,
                         std::optional<Payload> memory) {
  Request request;
  request.head = head;
  request.message = memory ? std::move(*memory) : Payload::copy_of(message);
  if (head.timeout_ms != 0) request.deadline = read_at_ + milliseconds(head.timeout_ms);
  requests_.push_back(std::move(request));
}

void Session::control(const wire::Message& head, ByteView term) {
  switch (head.op) {
    case wire::Op::hello:
      return hello(head.id, term);
    case wire::Op::ping: {
      etf::ControlWriter pong;
      pong.atom("pong");
      return answer(wire::Op::ok, head.id, pong.bytes());
    }
    case wire::Op::info:
      return info(head.id);
    case wire::Op::cancel:
      return dispatcher_.cancel(head.id);
    case wire::Op::interrupt:
      return interrupt(head.id, term);
    case wire::Op::context_open:
      return open_context(head.id, term);
    case wire::Op::context_close:
      return close_context(head.id, term);
    default:
      broken(Error{Errc::protocol, "a message that only the program sends"});
  }
}

void Session::hello(std::uint64_t id, ByteView term) {
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

void Session::open_context(std::uint64_t id, ByteView term) {
  auto wanted = etf::read_context_open(term);
  if (!wanted.ok()) return refuse(id, wanted.error());
  std::optional<milliseconds> kill_after = options_.kill_after;
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
  etf::ControlWriter ok;
  ok.atom("ok");
  answer(wire::Op::ok, id, ok.bytes());
}

void Session::close_context(std::uint64_t id, ByteView term) {
  auto context = etf::read_context(term);
  if (!context.ok()) return refuse(id, context.error());
  etf::ControlWriter out;
  if (!dispatcher_.close(context.value())) {
    out.atom("no_context");
    return answer(wire::Op::error, id, out.bytes());
  }
  out.atom("ok");
  answer(wire::Op::ok, id, out.bytes());
}

void Session::interrupt(std::uint64_t id, ByteView term) {
  auto context = etf::read_context(term);
  if (!context.ok()) return refuse(id, context.error());
  etf::ControlWriter out;
  out.atom(dispatcher_.interrupt(context.value()) ? "true" : "false");
  answer(wire::Op::ok, id, out.bytes());
}

void Session::info(std::uint64_t id) {
  const Dispatcher::Counts counts = dispatcher_.counts();
  const auto uptime = std::chrono::duration_cast<milliseconds>(Clock::now() - started_);
  const std::pair<const char*, std::uint64_t> facts[] = {
      {"os_pid", static_cast<std::uint64_t>(::getpid())},
      {"uptime_ms", static_cast<std::uint64_t>(uptime.count())},
      {"rss_bytes", resident_bytes()},
      {"frames_in", messages_total_},
      {"frames_out", writer_.messages_total()},
      {"bytes_in", reader_.bytes_total()},
      {"bytes_out", writer_.bytes_total()},
      {"requests", counts.requests},
      {"contexts", counts.contexts},
      {"queued", counts.queued},
      {"envs", contexts_.env_count()},
      {"interrupts", counts.interrupts},
      {"output_dropped", contexts_.output_dropped()},
  };
  etf::ControlWriter out;
  out.map(std::size(facts));
  for (const auto& [name, value] : facts)
    out.atom(name).integer(value);
  answer(wire::Op::ok, id, out.bytes());
}

void Session::answer(wire::Op op, std::uint64_t id, const Bytes& term) {
  writer_.append(wire::make_answer(op, id, term));
}

void Session::refuse(std::uint64_t id, const Error& error) {
  etf::ControlWriter out;
  out.tuple(2).atom("bad_request").binary(error.detail);
  answer(wire::Op::error, id, out.bytes());
}

void Session::broken(const Error& error) {
  log_line("the link broke: " + error.detail);
  exit_process(error.code == Errc::os ? Exit::os_error : Exit::protocol);
}

}  // namespace pyport::link
