#include "link/outgoing.hpp"

#include "sys/descriptors.hpp"

namespace pyport::link {
namespace {

constexpr std::size_t kTogetherBytes = 64U << 10;
// So often the thread finds nothing before it sleeps: waking it costs as much as a write.
constexpr int kQuietLooks = 2;

}  // namespace

void Outgoing::send(ByteView message) {
  if (in_forked_child()) return;
  writer_.append(message);
  const auto now = Clock::now().time_since_epoch();
  const bool close = now - Clock::duration(sent_at_.exchange(now.count())) < pace_.closely;
  const bool late = now - Clock::duration(written_at_.load()) >= pace_.together;
  if (!close || late || writer_.queued_bytes() >= kTogetherBytes) return write();
  if (watched_.exchange(true)) return;
  const MutexLock lock(mutex_);
  wanted_.notify_one();
}

void Outgoing::write() noexcept {
  writer_.flush_or_wake(reader_wake_);
  written_at_.store(Clock::now().time_since_epoch().count());
}

// Nobody notifies while the thread looks.
void Outgoing::pause() {
  const TimePoint until = Clock::now() + pace_.together;
  const MutexLock lock(mutex_);
  while (Clock::now() < until)
    wanted_.wait_until(mutex_, until);
}

void Outgoing::run() {
  for (;;) {
    {
      const MutexLock lock(mutex_);
      while (!watched_.load())
        wanted_.wait(mutex_);
    }
    for (int quiet = 0; quiet < kQuietLooks; ++quiet) {
      pause();
      if (writer_.queued_bytes() == 0) continue;
      write();
      quiet = 0;
    }
    stop_watching();
  }
}

void Outgoing::stop_watching() noexcept {
  watched_.store(false);
  // A message that was queued before this, by a sender that saw the thread watch.
  if (writer_.queued_bytes() != 0) write();
}

}  // namespace pyport::link
