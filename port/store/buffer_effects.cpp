// What follows from a change of a buffer: who is woken, how far the writer may send, which pages
// are given back. Decided under the mutex, carried out without it.
#include <algorithm>
#include <iterator>
#include <utility>

#include "store/buffer_inside.hpp"

namespace pyport::store {

namespace {

// How often the pages behind a reader of a file are given back.
constexpr std::uint64_t kTidyBytes = std::uint64_t{4} << 20;

}  // namespace

bool Buffer::Inside::awaits_beyond_locked(const Waiter& waiter, std::uint64_t regular) {
  if (look_locked(waiter.need, waiter.max)) return false;  // it only has not woken yet
  if (regular < written + options.window / 2) return true;
  if (waiter.need != Need::end) return false;
  if (waiter.max != 0) return read + waiter.max > regular;
  return !options.length || *options.length > regular;
}

bool Buffer::Inside::someone_awaits_beyond_locked(std::uint64_t regular) {
  for (const Waiter* const waiter : waiters)
    if (awaits_beyond_locked(*waiter, regular)) return true;
  for (const LoopWait& wait : loop_waits)
    if (awaits_beyond_locked(wait.what, regular)) return true;
  return false;
}

std::uint64_t Buffer::Inside::credit_locked(Effects& effects) {
  const std::uint64_t window = options.window;
  // In the heap stage pins keep their memory alive by themselves.
  const std::uint64_t oldest = stage == Stage::ring ? pins.oldest(read) : read;
  const std::uint64_t regular = oldest + window;
  // Beyond the window content goes to the file: when it is there already, or when reader and
  // writer would wait for each other.
  const bool beyond = written + window > regular && (stage == Stage::file || reader_stands ||
                                                     someone_awaits_beyond_locked(regular));
  const std::uint64_t up_to = beyond ? written + window : regular;
  // Within the window what was read makes room for what comes, unless all of it stays.
  const bool grows = beyond || options.retain == Retain::all;
  if (!grows || up_to <= told || budget.has_room(room_needed_locked())) return up_to;
  if (!waits_for_room) effects.room_wanted = room_needed_locked();
  waits_for_room = true;
  return options.retain == Retain::all ? told : regular;
}

std::uint64_t Buffer::Inside::room_needed_locked() {
  return std::min<std::uint64_t>(options.window, bytes_max - written);
}

bool Buffer::Inside::starves_locked() {
  // What was granted and has not come yet may be what the reader waits for.
  const std::uint64_t needed = room_needed_locked();
  if (written < told || budget.has_room(needed) || !someone_awaits_beyond_locked(told)) {
    waits_in_vain = 0;
    return false;
  }
  const std::uint64_t stays = options.retain == Retain::all ? written : written - pins.oldest(read);
  if (stays + needed > budget.bytes_max()) return true;
  const std::uint64_t gifts = budget.gift_count();
  if (std::exchange(gifts_seen, gifts) != gifts) waits_in_vain = 0;
  return ++waits_in_vain >= kWaitsInVainMax;
}

void Buffer::Inside::settle_locked(Effects& effects) {
  tidy_locked(effects);
  grant_locked(effects);
}

void Buffer::Inside::grant_locked(Effects& effects) {
  if (state != BufferState::open || telling) return;
  const std::uint64_t up_to = credit_locked(effects);
  if (up_to <= told) return;
  const std::uint64_t step = options.window / 4;
  const bool readers_wait = !waiters.empty() || !loop_waits.empty();
  const bool at_once = writer_waiting || (readers_wait && told < written + step);
  if (up_to - told < step && !at_once) return;
  told = up_to;
  read_when_told = read;
  writer_waiting = false;
  telling = true;
  effects.credit = up_to;
}

void Buffer::Inside::tell_readers_locked(Effects& effects) {
  changes.fetch_add(1);
  for (const Waiter* const waiter : waiters)
    effects.wake |= look_locked(waiter->need, waiter->max).has_value();
  if (loop_waits.empty()) return;
  const auto met = std::partition(
      loop_waits.begin(), loop_waits.end(), [this](const LoopWait& wait) PYPORT_REQUIRES(mutex) {
        return !look_locked(wait.what.need, wait.what.max).has_value();
      });
  if (met == loop_waits.end()) return;
  // There may be some already, of a change just before.
  effects.fire.insert(
      effects.fire.end(), std::make_move_iterator(met), std::make_move_iterator(loop_waits.end()));
  loop_waits.erase(met, loop_waits.end());
}

void Buffer::Inside::tidy_locked(Effects& effects) {
  if (stage != Stage::file) return;
  const std::uint64_t page = page_bytes();
  const std::uint64_t base = file->base();
  const std::uint64_t done = base + ((pins.oldest(read) - base) & ~(page - 1));
  tidied_to = std::min(tidied_to, done);  // after seeking back
  if (done < tidied_to + (waits_for_room ? page : kTidyBytes)) return;
  effects.tidy = {tidied_to, done};
  tidied_to = done;
  effects.tidied = file_memory;
  effects.tidied_from = mapped_from;
  if (options.retain == Retain::all) return;
  kept = done;
  effects.punched = file;
}

void Buffer::Inside::leave_open_locked(BufferState why, Effects& effects) {
  if (state != BufferState::open) return;
  state = why;
  if (why != BufferState::ended && why != BufferState::writer_died) effects.refused = why;
  tell_readers_locked(effects);
}

void Buffer::Inside::carry_out(Effects& effects) {
  if (effects.wake) changed.notify_all();
  if (effects.wake_slot) slot_free.notify_all();
  for (const LoopWait& wait : effects.fire)
    wait.notifier->notify(wait.token);
  effects.fire.clear();
  if (effects.tidied && effects.tidy.to > effects.tidied_from) {
    const std::uint64_t from = std::max(effects.tidy.from, effects.tidied_from);
    effects.tidied->forget_pages(from - effects.tidied_from, effects.tidy.to - from);
  }
  if (effects.punched) effects.punched->punch(effects.tidy.from, effects.tidy.to);
  effects.tidied.reset();
  effects.punched.reset();
  effects.doomed = {};
  if (effects.refused) events.refused(buffer.number(), *effects.refused);
  while (effects.credit) {
    events.credit(buffer.number(), *effects.credit);
    effects.credit.reset();
    const MutexLock lock(mutex);
    telling = false;
    grant_locked(effects);  // what others could not tell meanwhile
  }
  if (effects.room_wanted) budget.wait_for_room(buffer.weak_from_this(), *effects.room_wanted);
}

}  // namespace pyport::store
