#include "store/processes.hpp"

#include <optional>
#include <utility>

namespace pyport::store {
Processes::State Processes::look(ByteView pid) {
  std::uint64_t asked = 0;
  std::optional<std::uint64_t> forgotten;
  {
    const MutexLock lock(mutex_);
    const auto known = by_pid_.find(as_chars(pid));
    if (known != by_pid_.end()) {
      used_.splice(used_.begin(), used_, known->second.used);
      return known->second.state;
    }
    const auto at = by_pid_.try_emplace(std::string(as_chars(pid))).first;
    asked = ++last_key_;
    used_.push_front(at->first);
    at->second = {asked, State::asked, used_.begin()};
    by_key_.emplace(asked, at->first);
    if (by_pid_.size() > kWatchedMax) forgotten = forget_oldest_locked();
  }
  events_.watch(asked, pid);
  if (forgotten) events_.unwatch(*forgotten);
  return State::asked;
}

std::uint64_t Processes::forget_oldest_locked() {
  const auto oldest = by_pid_.find(used_.back());
  const std::uint64_t key = oldest->second.key;
  used_.pop_back();
  by_key_.erase(key);
  by_pid_.erase(oldest);
  return key;
}

void Processes::heard(std::uint64_t key, bool alive) {
  Wakes wakes;
  {
    const MutexLock lock(mutex_);
    const auto at = by_key_.find(key);
    if (at == by_key_.end()) return;  // forgotten meanwhile
    by_pid_.find(at->second)->second.state = alive ? State::alive : State::dead;
    waiters_.tell_all(wakes);
  }
  wake(wakes);
}

bool Processes::take_room(std::size_t bytes) {
  const MutexLock lock(mutex_);
  if (sent_ - taken_ >= kMessageWindowBytes) return false;
  sent_ += bytes;
  return true;
}

void Processes::credit(std::uint64_t taken) {
  Wakes wakes;
  {
    const MutexLock lock(mutex_);
    if (taken <= taken_ || taken > sent_) return;
    taken_ = taken;
    waiters_.tell_all(wakes);
  }
  wake(wakes);
}

template <class Over>
Wait Processes::wait_until(const Over& over,
                           TimePoint until,
                           InterruptPoint* point,
                           const std::shared_ptr<Sleep>& sleep) {
  const InterruptPoint::Waiting waiting(point, point ? shared_from_this() : nullptr);
  WaitList::Waiter self{sleep};
  {
    const MutexLock lock(mutex_);
    waiters_.add(self);
  }
  for (;;) {
    {
      const MutexLock lock(mutex_);
      self.over.store(false);
      std::optional<Wait> result;
      if (over())
        result = Wait::ready;
      else if (point != nullptr && point->requested())
        result = Wait::interrupted;
      else if (Clock::now() >= until)
        result = Wait::timed_out;
      if (result) {
        waiters_.remove(self);
        return *result;
      }
    }
    sleep->sleep(self.over, until);
  }
}

Wait Processes::wait(ByteView pid,
                     TimePoint until,
                     InterruptPoint* point,
                     const std::shared_ptr<Sleep>& sleep) {
  const auto known = [this, pid]() PYPORT_REQUIRES(mutex_) {
    const auto at = by_pid_.find(as_chars(pid));
    return at == by_pid_.end() || at->second.state != State::asked;
  };
  return wait_until(known, until, point, sleep);
}

Wait Processes::wait_for_room(TimePoint until,
                              InterruptPoint* point,
                              const std::shared_ptr<Sleep>& sleep) {
  const auto room = [this]()
                        PYPORT_REQUIRES(mutex_) { return sent_ - taken_ < kMessageWindowBytes; };
  return wait_until(room, until, point, sleep);
}

void Processes::wake_all() noexcept {
  Wakes wakes;
  {
    const MutexLock lock(mutex_);
    waiters_.tell_all(wakes);
  }
  wake(wakes);
}

}  // namespace pyport::store
