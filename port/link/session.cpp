#include "link/session.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sched.h>
#include <utility>

#include "sys/process.hpp"

namespace pyport::link {
namespace {

constexpr const char* kLane = "link";
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
                 Messages& messages,
                 const WakeFd& wake,
                 microseconds spin)
    : reader_(reader), writer_(writer), messages_(messages), wake_(wake), spin_(spin) {}

bool Session::spin_for_input() {
  const TimePoint start = Clock::now();
  do {
    auto status = reader_.read();
    if (!status.ok()) lane_broke(kLane, status.error());
    if (status.value() == PacketReader::Status::end_of_file) exit_process(Exit::done);
    if (status.value() == PacketReader::Status::some) {
      inflow_.read_at = Clock::now();
      return true;
    }
    if (Clock::now() - start > kOwnSpin) {
      ::sched_yield();
      continue;
    }
    for (int i = 0; i < kPausesPerLook; ++i)
      pause_cpu();
  } while (!woken_.load() && Clock::now() - start < spin_);
  return false;
}

void Session::wait(Spin spin, TimePoint until) {
  if (woken_.exchange(false)) return;
  writer_.try_flush();
  if (spin == Spin::yes && spin_for_input()) {
    have_input_ = true;
    return;
  }
  sleeping_.store(true);
  // A wake() from now on writes to the descriptor; one before it is seen here.
  if (!woken_.load()) sleep(until);
  sleeping_.store(false);
  woken_.store(false);
}

void Session::sleep(TimePoint until) {
  pollfd waited[3] = {{reader_.fd(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}, {-1, 0, 0}};
  if (!writer_.idle()) waited[2] = {writer_.fd(), POLLOUT, 0};
  const timespec left = until == kNever ? timespec{} : time_left(until);
  const int ready = ::ppoll(waited, 3, until == kNever ? nullptr : &left, nullptr);
  if (ready < 0 && errno != EINTR) lane_broke(kLane, Error{Errc::os, "poll on the link"});
  if (ready <= 0) return;
  if (waited[1].revents != 0 && !wake_.clear())
    lane_broke(kLane, Error{Errc::os, "the wake descriptor"});
  if (waited[0].revents != 0) have_input_ = spin_for_input() || have_input_;
}

void Session::wake() noexcept {
  woken_.store(true);
  if (sleeping_.load()) wake_.wake();
}

void Session::process() {
  if (!std::exchange(have_input_, false)) return;
  for (;;) {
    auto packet = reader_.next();
    if (!packet.ok()) lane_broke(kLane, packet.error());
    if (!packet.value()) break;
    const ByteView content = *packet.value();
    const auto done = messages_.packet(inflow_, content, reader_.take_large());
    if (!done.ok()) lane_broke(kLane, done.error());
  }
  messages_.submit(inflow_);
  const std::uint64_t total = reader_.bytes_total();
  messages_.traffic().note_in({0, total - std::exchange(counted_, total)});
}

}  // namespace pyport::link
