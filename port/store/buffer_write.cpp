// The writing side of a buffer: the slot, reserving and committing, the end.
#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.hpp"
#include "store/buffer_inside.hpp"

namespace pyport::store {

// --- The slot ---

void Buffer::Inside::take_slot_locked() {
  ++slot_waiter_count;
  while (writing)
    slot_free.wait(mutex);
  --slot_waiter_count;
  writing = true;
}

void Buffer::Inside::give_slot() {
  Effects effects;
  for (;;) {
    if (scratch) budget.spares().give_scratch(std::move(scratch));
    std::vector<Payload> more;
    {
      const MutexLock lock(mutex);
      more.swap(backlog);
      if (more.empty()) {
        writing = false;
        effects.wake_slot = slot_waiter_count > 0;
        if (end_wanted) end_locked(*end_wanted, effects);
        if (discard_wanted) discard_locked(effects);
        break;
      }
    }
    for (const Payload& bytes : more)
      append_all(bytes.view());
  }
  carry_out(effects);
}

// --- Bytes ---

std::span<std::uint8_t> Buffer::Inside::room_for(std::size_t bytes) {
  Effects effects;
  std::span<std::uint8_t> room;
  for (bool done = false; !done;) {
    Move move = Move::none;
    if (file && !scratch) scratch = budget.spares().take_scratch();
    {
      const MutexLock lock(mutex);
      if (state != BufferState::open) break;
      if (written >= bytes_max) {
        leave_open_locked(BufferState::too_large, effects);
        break;
      }
      bytes = std::min<std::uint64_t>(bytes, bytes_max - written);
      move = move_for_locked(bytes);
      if (move == Move::none) {
        room = free_locked(bytes);
        if (room.empty()) leave_open_locked(BufferState::no_space, effects);
        break;
      }
    }
    done = !make_move(move, bytes);
  }
  carry_out(effects);
  return room;
}

bool Buffer::Inside::make_move(Move move, std::size_t bytes) {
  if (move == Move::grow_heap && grow_heap(bytes)) return true;
  if (move == Move::to_ring && (to_ring(bytes) || file)) return true;
  if (to_file()) return true;
  refuse(BufferState::no_space);
  return false;
}

void Buffer::Inside::refuse(BufferState why) {
  Effects effects;
  {
    const MutexLock lock(mutex);
    leave_open_locked(why, effects);
  }
  carry_out(effects);
}

void Buffer::Inside::store(ByteView bytes) {
  std::size_t stored = bytes.size();
  SpillFile::Window window;
  if (file) {
    stored = file->write(end_of_content, bytes);
    if (!map_up_to(end_of_content + stored, *file, window)) stored = 0;
  }
  end_of_content += stored;
  Effects effects;
  {
    const MutexLock lock(mutex);
    if (window.memory) show_window_locked(std::move(window), effects.doomed);
    if (state == BufferState::open) {
      written = end_of_content;
      tell_readers_locked(effects);
      if (stored < bytes.size()) leave_open_locked(BufferState::no_space, effects);
      settle_locked(effects);
    }
  }
  carry_out(effects);
}

void Buffer::Inside::append_all(ByteView bytes) {
  while (!bytes.empty()) {
    const std::span<std::uint8_t> room = room_for(bytes.size());
    if (room.empty()) return;
    const ByteView now = bytes.first(room.size());
    // To the file they go from where they are.
    if (!file) std::memcpy(room.data(), now.data(), now.size());
    store(now);
    bytes = bytes.subspan(now.size());
  }
}

std::span<std::uint8_t> Buffer::reserve(std::size_t bytes) {
  PYPORT_CHECK(bytes > 0);
  Inside& inside = *inside_;
  {
    const MutexLock lock(inside.mutex);
    inside.take_slot_locked();
  }
  inside.reserved = inside.room_for(bytes);
  if (inside.reserved.empty()) inside.give_slot();
  return inside.reserved;
}

void Buffer::commit(std::size_t bytes) {
  Inside& inside = *inside_;
  PYPORT_CHECK(bytes <= inside.reserved.size(), bytes, inside.reserved.size());
  const ByteView filled = inside.reserved.first(bytes);
  inside.reserved = {};
  if (!filled.empty()) inside.store(filled);
  inside.give_slot();
}

void Buffer::append(ByteView bytes) {
  Inside& inside = *inside_;
  Effects effects;
  bool later = false;
  {
    const MutexLock lock(inside.mutex);
    if (inside.state != BufferState::open || inside.end_wanted) return;
    later = std::exchange(inside.writing, true);
    if (later) {
      auto kept = Payload::copy_of(bytes);
      if (kept.ok())
        inside.backlog.push_back(std::move(kept).value());
      else
        inside.leave_open_locked(BufferState::no_space, effects);
    }
  }
  if (later) return inside.carry_out(effects);
  inside.append_all(bytes);
  inside.give_slot();
}

// --- The end, and credit ---

void Buffer::end(BufferState how) {
  Inside& inside = *inside_;
  Effects effects;
  {
    const MutexLock lock(inside.mutex);
    if (inside.state != BufferState::open || inside.end_wanted) return;
    if (inside.writing)
      inside.end_wanted = how;
    else
      inside.end_locked(how, effects);
  }
  inside.carry_out(effects);
}

void Buffer::Inside::end_locked(BufferState how, Effects& effects) {
  if (options.length)
    how = written < *options.length ? BufferState::writer_died : BufferState::ended;
  leave_open_locked(how, effects);
}

void Buffer::writer_waits() {
  Inside& inside = *inside_;
  Effects effects;
  {
    const MutexLock lock(inside.mutex);
    if (inside.state != BufferState::open) return;
    inside.writer_waiting = true;
    inside.settle_locked(effects);
    if (!effects.credit && !inside.telling) {
      inside.reader_stands = inside.read == inside.read_when_told;
      inside.read_when_told = inside.read;
      inside.settle_locked(effects);
    }
    if (!effects.credit && !inside.telling && inside.starves_locked())
      inside.leave_open_locked(BufferState::no_space, effects);
  }
  inside.carry_out(effects);
}

}  // namespace pyport::store
