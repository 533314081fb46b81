// What buffer*.cpp share. Nobody else includes this.
//
// Two kinds of members: those under the mutex, and the storage, which only the holder of the
// writing slot changes (`writing`, taken under the mutex, held across copying and file I/O).
// Content moves from stage to stage only there: readers see the result when `view` is swapped.
//
// A member function that changes something collects in `Effects` what has to happen without the
// mutex; carry_out() does it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/payload.hpp"
#include "store/buffer.hpp"
#include "store/line_scan.hpp"
#include "store/memory.hpp"
#include "store/pins.hpp"
#include "store/spill_file.hpp"
#include "store/view.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

enum class Stage : std::uint8_t { heap, ring, file };

// Storage that was left, to be destroyed without the mutex.
struct Doomed {
  std::shared_ptr<HeapBlock> heap;
  std::shared_ptr<Ring> ring;
  std::shared_ptr<SpillFile> file;
  std::shared_ptr<Mapping> mapped;
  std::shared_ptr<void> memory;
};

struct Waiter {
  Buffer::Need need;
  std::size_t max;
};
struct LoopWait {
  std::shared_ptr<Notifier> notifier;  // owners: its loop and, until it is told, the buffer
  std::uint64_t token;
  Waiter what;
};

// What has to happen once the mutex is free.
struct Effects {
  struct Range {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };
  bool wake = false;
  bool wake_slot = false;
  std::optional<std::uint64_t> credit;
  std::optional<std::uint64_t> room_wanted;
  std::optional<BufferState> refused;
  std::vector<LoopWait> fire;
  Range tidy;                          // file: readers are done with these pages
  std::shared_ptr<SpillFile> punched;  // and nobody can come back to them
  std::shared_ptr<Mapping> tidied;
  std::uint64_t tidied_from = 0;  // the position of the first byte of `tidied`
  Doomed doomed;
};

struct Buffer::Inside {
  Inside(Buffer& owner, Budget& the_budget, BufferEvents& the_events);

  Buffer& buffer;
  const BufferOptions& options;
  Budget& budget;
  BufferEvents& events;
  const std::uint64_t bytes_max;  // of bytes_max and the announced length the smaller

  Mutex mutex;
  CondVar changed;                        // for readers
  CondVar slot_free;                      // for reserve()
  std::atomic<std::uint64_t> changes{0};  // for readers that spin

  // Content and positions.
  std::uint64_t written PYPORT_GUARDED_BY(mutex) = 0;
  std::uint64_t read PYPORT_GUARDED_BY(mutex) = 0;
  std::uint64_t kept PYPORT_GUARDED_BY(mutex) = 0;
  BufferState state PYPORT_GUARDED_BY(mutex) = BufferState::open;
  bool reader_closed PYPORT_GUARDED_BY(mutex) = false;
  Stage stage PYPORT_GUARDED_BY(mutex) = Stage::heap;
  std::uint32_t stage_number PYPORT_GUARDED_BY(mutex) = 0;
  View view PYPORT_GUARDED_BY(mutex);
  Pins pins PYPORT_GUARDED_BY(mutex);  // of this stage; in the heap stage nobody asks
  LineScan lines PYPORT_GUARDED_BY(mutex);
  std::uint64_t tidied_to PYPORT_GUARDED_BY(mutex) = 0;  // file: pages before it were given back

  // The writing slot.
  bool writing PYPORT_GUARDED_BY(mutex) = false;
  std::uint32_t slot_waiter_count PYPORT_GUARDED_BY(mutex) = 0;
  std::vector<Payload> backlog PYPORT_GUARDED_BY(mutex);
  std::optional<BufferState> end_wanted PYPORT_GUARDED_BY(mutex);
  bool discard_wanted PYPORT_GUARDED_BY(mutex) = false;

  // Credit.
  std::uint64_t told PYPORT_GUARDED_BY(mutex);
  std::uint64_t read_when_told PYPORT_GUARDED_BY(mutex) = 0;
  bool telling PYPORT_GUARDED_BY(mutex) = false;  // one thread tells, so that it only grows
  bool writer_waiting PYPORT_GUARDED_BY(mutex) = false;
  bool reader_stands PYPORT_GUARDED_BY(mutex) = false;   // a writer waited and nothing was read
  bool waits_for_room PYPORT_GUARDED_BY(mutex) = false;  // the budget knows
  unsigned waits_in_vain PYPORT_GUARDED_BY(mutex) = 0;   // since gifts_seen changed
  std::uint64_t gifts_seen PYPORT_GUARDED_BY(mutex) = 0;

  // Waits.
  std::vector<const Waiter*> waiters PYPORT_GUARDED_BY(mutex);
  std::vector<LoopWait> loop_waits PYPORT_GUARDED_BY(mutex);

  // Storage: changed by the slot's holder, and under the mutex, so that either may read it.
  std::shared_ptr<HeapBlock> heap;
  std::shared_ptr<Ring> ring;
  std::shared_ptr<SpillFile> file;
  std::shared_ptr<Mapping> file_memory;
  std::uint64_t mapped_from = 0;
  // The slot's holder only.
  std::uint64_t end_of_content = 0;  // `written`, without the mutex
  std::uint64_t mapped_to = 0;
  bool ring_refused = false;  // since the file was made
  Scratch scratch;
  std::span<std::uint8_t> reserved;

  // --- buffer.cpp ---
  [[nodiscard]] Pin pin_locked(std::uint64_t from, std::uint64_t to) PYPORT_REQUIRES(mutex);
  void move_read_locked(std::uint64_t to, Effects& effects) PYPORT_REQUIRES(mutex);
  void unpin(std::uint32_t pin_stage, std::uint64_t position) PYPORT_EXCLUDES(mutex);
  void discard_locked(Effects& effects) PYPORT_REQUIRES(mutex);

  // --- buffer_wait.cpp ---
  [[nodiscard]] std::optional<Wait> look_locked(Need need, std::size_t max) PYPORT_REQUIRES(mutex);
  // Searches for a newline, but for the last bytes, without the mutex: they may be on a disk.
  void scan_ahead() PYPORT_EXCLUDES(mutex);
  [[nodiscard]] Wait sleep_locked(const Waiter& self, TimePoint until, const InterruptPoint* point)
      PYPORT_REQUIRES(mutex);

  // --- buffer_effects.cpp ---
  // After any change: who can go on? The writer (credit), the pages behind the reader.
  void settle_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  void grant_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  // After a change that readers wait for.
  void tell_readers_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  [[nodiscard]] std::uint64_t credit_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  // Room in the budget for what comes next: a window, or what is missing to bytes_max.
  [[nodiscard]] std::uint64_t room_needed_locked() PYPORT_REQUIRES(mutex);
  // A writer waits: would it, and the reader for it, for ever? Counts the waits in vain.
  [[nodiscard]] bool starves_locked() PYPORT_REQUIRES(mutex);
  // Will a wait last longer than the bytes before `regular` do?
  [[nodiscard]] bool awaits_beyond_locked(const Waiter& waiter, std::uint64_t regular)
      PYPORT_REQUIRES(mutex);
  [[nodiscard]] bool someone_awaits_beyond_locked(std::uint64_t regular) PYPORT_REQUIRES(mutex);
  void tidy_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  void leave_open_locked(BufferState why, Effects& effects) PYPORT_REQUIRES(mutex);
  void carry_out(Effects& effects) PYPORT_EXCLUDES(mutex);

  // --- buffer_write.cpp: with the slot ---
  void take_slot_locked() PYPORT_REQUIRES(mutex);
  // Where the next bytes go; empty: refused. At most `bytes`.
  [[nodiscard]] std::span<std::uint8_t> room_for(std::size_t bytes) PYPORT_EXCLUDES(mutex);
  // `bytes` of it were filled.
  void store(ByteView bytes) PYPORT_EXCLUDES(mutex);
  void append_all(ByteView bytes) PYPORT_EXCLUDES(mutex);
  void end_locked(BufferState how, Effects& effects) PYPORT_REQUIRES(mutex);
  void refuse(BufferState why) PYPORT_EXCLUDES(mutex);
  // Also appends what came meanwhile.
  void give_slot() PYPORT_EXCLUDES(mutex);

  // --- buffer_stage.cpp: with the slot ---
  enum class Move : std::uint8_t { none, grow_heap, to_ring, to_file };
  [[nodiscard]] Move move_for_locked(std::size_t bytes) PYPORT_REQUIRES(mutex);
  [[nodiscard]] bool fits_ring_locked(std::size_t bytes) PYPORT_REQUIRES(mutex);
  // Empty: there is no memory. REQUIRES: the move for so many is none.
  [[nodiscard]] std::span<std::uint8_t> free_locked(std::size_t bytes) PYPORT_REQUIRES(mutex);
  // False: no bytes are taken any more.
  [[nodiscard]] bool make_move(Move move, std::size_t bytes) PYPORT_EXCLUDES(mutex);
  // False: the budget, the system or its memory refuses.
  [[nodiscard]] bool grow_heap(std::uint64_t bytes) PYPORT_EXCLUDES(mutex);
  // Also false: what is unread and `bytes` more do not fit any more.
  [[nodiscard]] bool to_ring(std::size_t bytes) PYPORT_EXCLUDES(mutex);
  [[nodiscard]] bool to_file() PYPORT_EXCLUDES(mutex);
  // What has to move along: nobody can seek to what is before it any more. Null, and nothing has
  // changed: that is more than `bytes_most`.
  struct Kept {
    std::uint64_t from;
    ByteView bytes;
  };
  [[nodiscard]] std::optional<Kept> keep_unread(std::uint64_t bytes_most) PYPORT_EXCLUDES(mutex);
  // `window` stays empty if what is mapped reaches so far.
  [[nodiscard]] bool map_up_to(std::uint64_t position,
                               SpillFile& from_file,
                               SpillFile::Window& window) PYPORT_EXCLUDES(mutex);
  void show_window_locked(SpillFile::Window window, Doomed& left) PYPORT_REQUIRES(mutex);
  // Leaves the storage of the stage before; the caller puts the next in place.
  void enter_locked(Stage next, Doomed& left) PYPORT_REQUIRES(mutex);
};

}  // namespace pyport::store
