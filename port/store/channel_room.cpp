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
  return bytes_max == 0 ? ~std::uint64_t{0}
                        : bytes_max - (outgoing.bytes - credited.bytes) - reserved;
}

void Channel::Inside::want_locked(std::uint64_t bytes, milliseconds pause, Effects& effects) {
  const TimePoint now = Clock::now();
  if (want_told && now - *want_told < pause) return;
  want_told = now;
  if (!room_waiters.empty()) bytes = room_waiters.first().need;
  // What is in the way may be messages of others.
  effects.want = bytes > own_room_locked() ? channel.number_ : 0;
}

Channel::Room Channel::take_room(std::size_t size) {
  Inside& inside = *inside_;
  Budget& budget = inside.budget.outgoing();
  const std::uint64_t charge = Inside::charge({size, 1});
  Inside::Effects effects;
  {
    const MutexLock lock(inside.mutex);
    if (inside.closed) return Room::closed;
    if (charge > budget.bytes_max()) return Room::too_large;
    if (options_.bytes_max != 0 && size > options_.bytes_max) return Room::too_large;
    if (inside.room_waiters.empty() && size <= inside.own_room_locked() &&
        budget.take_memory(charge)) {
      inside.outgoing.bytes += size;
      ++inside.outgoing.count;
      ++inside.sending;
      return Room::taken;
    }
    inside.want_locked(size, kRefusedPause, effects);
  }
  inside.carry_out(effects);
  return Room::full;
}

std::uint64_t Channel::budget_bytes_max() const noexcept {
  return inside_->budget.outgoing().bytes_max();
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

void Channel::credit(const Sums& taken) {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    const Sums sent = inside_->outgoing;
    const Sums before = inside_->credited;
    const Sums now{std::max(before.bytes, std::min(taken.bytes, sent.bytes)),
                   std::max(before.count, std::min(taken.count, sent.count))};
    effects.room_back = Inside::charge(now) - Inside::charge(before);
    if (effects.room_back == 0) return;
    inside_->credited = now;
    inside_->want_told.reset();
    inside_->serve_room_locked(effects);
  }
  inside_->carry_out(effects);
}

void Channel::Inside::serve_room_locked(Effects& effects) {
  while (!closed && !room_waiters.empty()) {
    const std::uint64_t need = room_waiters.first().need;
    if (need > own_room_locked()) return;
    const std::uint64_t cost = charge({need, 1});
    if (!budget.outgoing().take_memory(cost)) {
      if (!budget_wait || cost < *budget_wait) effects.room_wanted = budget_wait = cost;
      return;
    }
    reserved += need;
    room_waiters.serve_first(effects.wakes);
  }
}

void Channel::room_came() noexcept {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->budget_wait.reset();
    inside_->serve_room_locked(effects);
  }
  inside_->carry_out(effects);
}

std::optional<Wait> Channel::Inside::room_answer_locked(WaitList::Waiter& self,
                                                        TimePoint until,
                                                        const InterruptPoint* point,
                                                        Effects& effects) {
  if (closed) return Wait::ended;
  if (self.stand == Stand::away) {
    room_waiters.add(self);
    serve_room_locked(effects);
  }
  self.over.store(false);
  if (self.stand == Stand::served) return Wait::ready;
  if (point != nullptr && point->requested()) return Wait::interrupted;
  if (Clock::now() >= until) return Wait::timed_out;
  want_locked(self.need, kWaitPause, effects);
  return std::nullopt;
}

Wait Channel::RoomTurn::await(TimePoint until, InterruptPoint* point) {
  Inside& inside = *channel_.inside_;
  const InterruptPoint::Waiting waiting(point, point ? channel_.shared_from_this() : nullptr);
  for (;;) {
    Inside::Effects effects;
    std::optional<Wait> answer;
    {
      const MutexLock lock(inside.mutex);
      answer = inside.room_answer_locked(self_, until, point, effects);
    }
    inside.carry_out(effects);
    if (answer) return *answer;
    // Nobody is served by looking: the BEAM is asked again.
    self_.sleep->sleep(self_.over, std::min(until, Clock::now() + kWaitPause));
  }
}

Channel::Room Channel::RoomTurn::take() {
  Inside& inside = *channel_.inside_;
  {
    const MutexLock lock(inside.mutex);
    PYPORT_CHECK(self_.stand == Inside::Stand::served, channel_.number_);
    if (inside.closed) return Room::closed;  // leave() gives the room back
    inside.room_waiters.remove(self_);
    inside.reserved -= self_.need;
    inside.outgoing.bytes += self_.need;
    ++inside.outgoing.count;
    ++inside.sending;
  }
  return Room::taken;
}

void Channel::RoomTurn::leave() {
  Inside& inside = *channel_.inside_;
  Inside::Effects effects;
  {
    const MutexLock lock(inside.mutex);
    if (self_.stand == Inside::Stand::away) return;
    if (self_.stand == Inside::Stand::served) {
      inside.reserved -= self_.need;
      effects.room_back = Inside::charge({self_.need, 1});
    }
    inside.room_waiters.remove(self_);
    inside.serve_room_locked(effects);
  }
  inside.carry_out(effects);
}

}  // namespace pyport::store
