// The places for what Python sends to Erlang.
#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "store/channel_inside.hpp"

namespace pyport::store {

namespace {

// How soon the BEAM is asked again, by who is refused and by who waits.
constexpr milliseconds kRefusedPause{10};
constexpr milliseconds kWaitPause{100};

}  // namespace

std::uint64_t Channel::Inside::own_room_locked() {
  const std::uint64_t bytes_max = channel.options_.bytes_max;
  return bytes_max == 0 ? ~std::uint64_t{0} : bytes_max - (outgoing - credited);
}

void Channel::Inside::want_locked(std::uint64_t bytes, milliseconds pause, Effects& effects) {
  const TimePoint now = Clock::now();
  if (want_told && now - *want_told < pause) return;
  want_told = now;
  // What is in the way may be messages of others.
  effects.want = bytes > own_room_locked() ? channel.number_ : 0;
}

Channel::Room Channel::take_room(std::size_t size) {
  Inside& inside = *inside_;
  Budget& budget = inside.budget.outgoing();
  Inside::Effects effects;
  {
    const MutexLock lock(inside.mutex);
    if (inside.closed) return Room::closed;
    if (size > budget.bytes_max()) return Room::too_large;
    if (options_.bytes_max != 0 && size > options_.bytes_max) return Room::too_large;
    if (size <= inside.own_room_locked() && budget.take_memory(size)) {
      inside.outgoing += size;
      ++inside.sending;
      return Room::taken;
    }
    inside.want_locked(size, kRefusedPause, effects);
  }
  inside.carry_out(effects);
  return Room::full;
}

void Channel::sent() {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    PYPORT_CHECK(inside_->sending > 0, number_);
    --inside_->sending;
    inside_->tell_closed_locked(effects);
  }
  inside_->carry_out(effects);
}

void Channel::credit(std::uint64_t taken) {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    const std::uint64_t credited = std::min(taken, inside_->outgoing);
    if (credited <= inside_->credited) return;
    effects.room_back = credited - inside_->credited;
    inside_->credited = credited;
    inside_->want_told.reset();
    inside_->tell_room_locked(effects);
  }
  inside_->carry_out(effects);
}

void Channel::Inside::tell_room_locked(Effects& effects) {
  std::uint64_t room = own_room_locked();
  while (!room_waiters.empty() && room_waiters.first().need <= room) {
    WaitList::Waiter& first = room_waiters.first();
    room -= first.need;
    first.need = kServed;
    room_waiters.end_first(effects.wakes);
  }
}

void Channel::room_came() noexcept {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->waits_for_budget = false;
    inside_->tell_room_locked(effects);
  }
  inside_->carry_out(effects);
}

std::optional<Wait> Channel::Inside::look_for_room_locked(std::uint64_t bytes) {
  if (closed) return Wait::ended;
  if (bytes <= own_room_locked() && budget.outgoing().has_room(bytes)) return Wait::ready;
  return std::nullopt;
}

std::optional<Wait> Channel::Inside::room_answer_locked(WaitList::Waiter& self,
                                                        std::uint64_t bytes,
                                                        TimePoint until,
                                                        const InterruptPoint* point) {
  if (self.need == kServed) return Wait::ready;
  auto answer = look_for_room_locked(bytes);
  if (!answer && point != nullptr && point->requested()) answer = Wait::interrupted;
  if (!answer && Clock::now() >= until) answer = Wait::timed_out;
  if (answer) room_waiters.remove(self);
  self.over.store(false);
  return answer;
}

Wait Channel::wait_for_room(std::size_t size,
                            TimePoint until,
                            InterruptPoint* point,
                            const std::shared_ptr<Sleep>& sleep) {
  Inside& inside = *inside_;
  const InterruptPoint::Waiting waiting(point, point ? shared_from_this() : nullptr);
  WaitList::Waiter self{sleep, size};
  {
    const MutexLock lock(inside.mutex);
    if (const auto answer = inside.look_for_room_locked(size)) return *answer;
    inside.room_waiters.add(self);
  }
  for (;;) {
    Inside::Effects effects;
    bool by_budget = false;
    {
      const MutexLock lock(inside.mutex);
      if (const auto answer = inside.room_answer_locked(self, size, until, point)) return *answer;
      inside.want_locked(size, kWaitPause, effects);
      if (size <= inside.own_room_locked())
        by_budget = !std::exchange(inside.waits_for_budget, true);
    }
    inside.carry_out(effects);
    if (by_budget) inside.budget.outgoing().wait_for_room(weak_from_this(), size);
    sleep->sleep(self.over, std::min(until, Clock::now() + kWaitPause));
  }
}

}  // namespace pyport::store
