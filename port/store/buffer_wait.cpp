// How readers wait for bytes: threads on the condition variable, event loops through a Notifier.
#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "store/buffer_inside.hpp"

namespace pyport::store {

std::optional<Buffer::Wait> Buffer::Inside::look_locked(Need need, std::size_t max) {
  const std::uint64_t unread = written - read;
  const bool enough = max != 0 && unread >= max;
  const bool reached = options.length && written >= *options.length;
  const bool open = state == BufferState::open;
  bool met = enough;
  switch (need) {
    case Need::some:
      met = unread > 0;
      break;
    case Need::line:
      met = met || lines.find(view, read, written).has_value();
      break;
    case Need::end:
      met = met || state == BufferState::ended || (open && reached);
      break;
  }
  if (met) return Wait::ready;
  if (!open || reached) return Wait::ended;
  return std::nullopt;
}

void Buffer::Inside::scan_ahead() {
  constexpr std::uint64_t kUnderMutex = std::uint64_t{64} << 10;
  constexpr std::uint64_t kAtOnce = std::uint64_t{1} << 20;
  for (;;) {
    Pin pin;
    std::uint64_t from = 0;
    {
      const MutexLock lock(mutex);
      const auto next = lines.unsearched(read);
      if (!next || *next + kUnderMutex >= written) return;
      from = *next;
      pin = pin_locked(from, std::min(written, from + kAtOnce));
    }
    const ByteView bytes = pin.bytes();
    const void* const at = std::memchr(bytes.data(), '\n', bytes.size());
    const std::size_t count =
        at == nullptr
            ? bytes.size()
            : static_cast<std::size_t>(static_cast<const std::uint8_t*>(at) - bytes.data());
    const MutexLock lock(mutex);
    lines.searched(from, count, at != nullptr);
  }
}

Buffer::Wait Buffer::Inside::sleep_locked(const Waiter& self,
                                          TimePoint until,
                                          const InterruptPoint* point) {
  for (;;) {
    if (const auto answer = look_locked(self.need, self.max)) return *answer;
    if (point != nullptr && point->requested()) return Wait::interrupted;
    if (Clock::now() >= until) return Wait::timed_out;
    if (until == kNever)
      changed.wait(mutex);
    else
      changed.wait_until(mutex, until);
  }
}

std::optional<Buffer::Wait> Buffer::poll(Need need, std::size_t max) {
  if (need == Need::line) inside_->scan_ahead();
  const MutexLock lock(inside_->mutex);
  return inside_->look_locked(need, max);
}

namespace {

// Until something has changed since `seen`. Looks without the mutex, which the writer needs, and
// offers the processor, which the writer may need too.
void spin_until(TimePoint end,
                const std::atomic<std::uint64_t>& changes,
                std::uint64_t seen,
                const InterruptPoint* point) {
  while (changes.load() == seen && Clock::now() < end) {
    if (point != nullptr && point->requested()) return;
    std::this_thread::yield();
  }
}

}  // namespace

Buffer::Wait Buffer::wait(
    Need need, std::size_t max, TimePoint until, InterruptPoint* point, microseconds spin) {
  Inside& inside = *inside_;
  if (const auto answer = poll(need, max)) return *answer;
  const InterruptPoint::Waiting waiting(point, point ? shared_from_this() : nullptr);
  const Waiter self{need, max};
  Effects effects;
  std::uint64_t seen = 0;
  {
    const MutexLock lock(inside.mutex);
    inside.waiters.push_back(&self);
    seen = inside.changes.load();
    inside.settle_locked(effects);  // the writer may be needed to send more than usual
  }
  inside.carry_out(effects);
  spin_until(std::min(until, Clock::now() + spin), inside.changes, seen, point);
  const MutexLock lock(inside.mutex);
  const Wait result = inside.sleep_locked(self, until, point);
  std::erase(inside.waiters, &self);
  return result;
}

void Buffer::add_waiter(const std::shared_ptr<Notifier>& notifier,
                        std::uint64_t token,
                        Need need,
                        std::size_t max) {
  Inside& inside = *inside_;
  if (need == Need::line) inside.scan_ahead();
  Effects effects;
  bool now = false;
  {
    const MutexLock lock(inside.mutex);
    now = inside.look_locked(need, max).has_value();
    if (!now) {
      inside.loop_waits.push_back({notifier, token, {need, max}});
      inside.settle_locked(effects);
    }
  }
  if (now) notifier->notify(token);
  inside.carry_out(effects);
}

void Buffer::forget_waiter(const Notifier& notifier, std::uint64_t token) {
  std::shared_ptr<Notifier> forgotten;  // destroyed outside the mutex
  const MutexLock lock(inside_->mutex);
  auto& waits = inside_->loop_waits;
  const auto found =
      std::find_if(waits.begin(), waits.end(), [&notifier, token](const LoopWait& wait) {
        return wait.notifier.get() == &notifier && wait.token == token;
      });
  if (found == waits.end()) return;
  forgotten = std::move(found->notifier);
  waits.erase(found);
}

void Buffer::wake_all() noexcept {
  Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->changes.fetch_add(1);
    effects.wake = true;
  }
  inside_->carry_out(effects);
}

void Buffer::room_came() noexcept {
  Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->waits_for_room = false;
    inside_->settle_locked(effects);
  }
  inside_->carry_out(effects);
}

}  // namespace pyport::store
