// How Python takes messages and waits for them: threads in turn, event loops through a Notifier.
#include <algorithm>

#include "core/check.hpp"
#include "store/channel_inside.hpp"

namespace pyport::store {

std::optional<Channel::Taken> Channel::try_take() {
  Inside& inside = *inside_;
  Inside::Effects effects;
  std::optional<Taken> taken;
  {
    const MutexLock lock(inside.mutex);
    if (!inside.has_message_locked()) return std::nullopt;
    taken = inside.take_locked(effects);
  }
  inside.carry_out(effects);
  return taken;
}

bool Channel::ended() {
  const MutexLock lock(inside_->mutex);
  return inside_->at_end_locked();
}

void Channel::Inside::offer_locked(std::uint64_t count, Effects& effects) {
  for (; count > 0 && !waiters.empty(); --count) {
    waiters.serve_first(effects.wakes);
    ++promised;
  }
  for (; count > 0 && !loop_waits.empty(); --count)
    effects.fire.splice(effects.fire.end(), loop_waits, loop_waits.begin());
}

std::optional<Wait> Channel::Inside::answer_locked(WaitList::Waiter& self,
                                                   TimePoint until,
                                                   const InterruptPoint* point) {
  if (self.stand == Stand::away) {
    if (at_end_locked()) return Wait::ended;
    if (has_message_locked()) {
      self.stand = Stand::served;
      ++promised;
    } else {
      waiters.add(self);
    }
  }
  self.over.store(false);
  if (self.stand == Stand::served) return Wait::ready;
  if (at_end_locked()) return Wait::ended;
  if (point != nullptr && point->requested()) return Wait::interrupted;
  if (Clock::now() >= until) return Wait::timed_out;
  return std::nullopt;
}

Wait Channel::Turn::await(TimePoint until, InterruptPoint* point) {
  Inside& inside = *channel_.inside_;
  // An interrupt from now on wakes this thread.
  const InterruptPoint::Waiting waiting(point, point ? channel_.shared_from_this() : nullptr);
  for (;;) {
    {
      const MutexLock lock(inside.mutex);
      if (const auto answer = inside.answer_locked(self_, until, point)) return *answer;
    }
    self_.sleep->sleep(self_.over, until);
  }
}

Channel::Taken Channel::Turn::take() {
  Inside& inside = *channel_.inside_;
  Inside::Effects effects;
  Taken taken;
  {
    const MutexLock lock(inside.mutex);
    PYPORT_CHECK(self_.stand == Inside::Stand::served, channel_.number_);
    inside.waiters.remove(self_);
    --inside.promised;
    taken = inside.take_locked(effects);
  }
  inside.carry_out(effects);
  return taken;
}

void Channel::Turn::leave() {
  Inside& inside = *channel_.inside_;
  Inside::Effects effects;
  {
    const MutexLock lock(inside.mutex);
    const bool served = self_.stand == Inside::Stand::served;
    inside.waiters.remove(self_);
    if (!served) return;
    --inside.promised;
    inside.offer_locked(1, effects);
  }
  inside.carry_out(effects);
}

void Channel::add_waiter(const std::shared_ptr<Notifier>& notifier, std::uint64_t token) {
  Inside& inside = *inside_;
  {
    const MutexLock lock(inside.mutex);
    if (!inside.has_message_locked() && !inside.at_end_locked()) {
      inside.loop_waits.push_back({notifier, token});
      return;
    }
  }
  notifier->notify(token);
}

bool Channel::forget_waiter(const Notifier& notifier, std::uint64_t token) {
  std::list<Inside::LoopWait> forgotten;  // destroyed outside the mutex
  const MutexLock lock(inside_->mutex);
  auto& waits = inside_->loop_waits;
  const auto found =
      std::find_if(waits.begin(), waits.end(), [&notifier, token](const Inside::LoopWait& wait) {
        return wait.notifier.get() == &notifier && wait.token == token;
      });
  if (found == waits.end()) return false;
  forgotten.splice(forgotten.end(), waits, found);
  return true;
}

void Channel::pass_on() {
  Inside& inside = *inside_;
  Inside::Effects effects;
  {
    const MutexLock lock(inside.mutex);
    if (inside.has_message_locked() && !inside.loop_waits.empty())
      effects.fire.splice(effects.fire.end(), inside.loop_waits, inside.loop_waits.begin());
  }
  inside.carry_out(effects);
}

void Channel::wake_all() noexcept {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->waiters.tell_all(effects.wakes);
    inside_->room_waiters.tell_all(effects.wakes);
  }
  inside_->carry_out(effects);
}

}  // namespace pyport::store
