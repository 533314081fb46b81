// How Python takes messages and waits for them: threads in turn, event loops through a Notifier.
#include <algorithm>

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
  return inside_->over && !inside_->has_message_locked();
}

std::optional<Wait> Channel::Inside::look_locked(Taken& to, Effects& effects) {
  if (has_message_locked()) {
    to = take_locked(effects);
    return Wait::ready;
  }
  if (over) return Wait::ended;
  return std::nullopt;
}

std::optional<Wait> Channel::Inside::answer_locked(WaitList::Waiter& self,
                                                   Taken& to,
                                                   TimePoint until,
                                                   const InterruptPoint* point,
                                                   Effects& effects) {
  if (self.need == kServed) {
    --promised;
    to = take_locked(effects);
    return Wait::ready;
  }
  std::optional<Wait> answer;
  if (over)
    answer = Wait::ended;
  else if (point != nullptr && point->requested())
    answer = Wait::interrupted;
  else if (Clock::now() >= until)
    answer = Wait::timed_out;
  if (answer) waiters.remove(self);
  self.over.store(false);
  return answer;
}

Wait Channel::wait(Taken& taken,
                   TimePoint until,
                   InterruptPoint* point,
                   const std::shared_ptr<Sleep>& sleep) {
  Inside& inside = *inside_;
  Inside::Effects effects;
  std::optional<Wait> answer;
  taken = {};
  const InterruptPoint::Waiting waiting(point, point ? shared_from_this() : nullptr);
  WaitList::Waiter self{sleep};
  {
    const MutexLock lock(inside.mutex);
    answer = inside.look_locked(taken, effects);
    if (!answer) {
      inside.waiters.add(self);
      // An interrupt from now on wakes this thread.
      answer = inside.answer_locked(self, taken, until, point, effects);
    }
  }
  while (!answer) {
    sleep->sleep(self.over, until);
    const MutexLock lock(inside.mutex);
    answer = inside.answer_locked(self, taken, until, point, effects);
  }
  inside.carry_out(effects);
  return *answer;
}

void Channel::add_waiter(const std::shared_ptr<Notifier>& notifier, std::uint64_t token) {
  Inside& inside = *inside_;
  {
    const MutexLock lock(inside.mutex);
    if (!inside.has_message_locked() && !inside.over) {
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
