// A stream of bytes with one writing side (the BEAM) and one reading side (Python),
// docs/buffers.md.
//
// Positions count from the first byte ever written. Content lies at contiguous addresses wherever a
// member gives out a view, and a byte that was given out neither moves nor changes while its view
// is held: growing, pruning, spilling and closing leave pinned memory alone.
//
// Where content is: a block on the heap while all of it fits `overflow_threshold`; beyond that,
// with Retain::unread, a ring of `window` bytes that the reader keeps emptying; with Retain::all,
// or when the reader does not keep up, an unlinked temporary file that is read through a mapping.
//
// Any thread, unless it says otherwise. No member blocks but wait() and, on a slow disk, those that
// write to the file. The mutex is a leaf: events are told outside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "store/budget.hpp"
#include "store/interrupt.hpp"
#include "store/notifier.hpp"
#include "store/wait_list.hpp"
#include "sys/clock.hpp"

namespace pyport::store {

// How long a reader looks for bytes before it sleeps. A thread that sleeps costs 50 us to wake.
inline constexpr microseconds kSpinDefault{20};

enum class Retain : std::uint8_t {
  unread = 0,  // bytes that were read may be dropped once the content exceeds overflow_threshold
  all = 1,     // every byte stays and can be sought again
};

struct BufferOptions {
  std::optional<std::uint64_t> length;  // announced: the content has exactly so many bytes
  std::uint64_t bytes_max = UINT64_MAX;
  std::uint64_t overflow_threshold = std::uint64_t{1} << 20;
  std::uint32_t window = std::uint32_t{2} << 20;  // a power of two, at least 64 KiB
  Retain retain = Retain::unread;
};

// Why no more bytes come in.
enum class BufferState : std::uint8_t {
  open = 0,
  ended = 1,          // the writer closed it, the content is whole
  writer_died = 2,    // before it closed it, or before the announced length was reached
  reader_closed = 3,  // Python's close(): writes are refused
  no_space = 4,       // the file system, the budget or the memory is full
  too_large = 5,      // more than bytes_max or the announced length was sent
  too_many = 6,       // never made: the limit of buffers is reached
};

// What the writing side is told. Called without the buffer's mutex, by whichever thread caused it,
// which may hold the GIL: implementations queue and never block.
class BufferEvents {
 public:
  virtual ~BufferEvents() = default;
  // Bytes up to position `up_to` may be sent; only ever grows.
  virtual void credit(std::uint64_t number, std::uint64_t up_to) noexcept = 0;
  // reader_closed, no_space or too_large: bytes sent from now on are dropped.
  virtual void refused(std::uint64_t number, BufferState why) noexcept = 0;
  // The buffer left the registry by itself: closed, drained and not held by Python.
  virtual void forgotten(std::uint64_t number) noexcept = 0;
};

// How often a writer waits (BUFFER_WAIT, every 100 ms) for room in the budget, while the reader
// waits for that writer and no buffer gives anything back, until it is refused.
inline constexpr unsigned kWaitsInVainMax = 300;

class Buffer final : public Waitable,
                     public RoomWaiter,
                     public std::enable_shared_from_this<Buffer> {
 public:
  // `number` names it in events. Budget and events outlive it. `reference` is the external term
  // that stands for it in the BEAM, without its version byte; empty for a buffer that has none.
  Buffer(std::uint64_t number,
         const BufferOptions& options,
         Budget& budget,
         BufferEvents& events,
         Bytes reference = {});
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() override;

  // --- the writing side: one thread at a time, but append() may come at any moment ---

  // Memory for the next bytes: not empty, at most `bytes` long, maybe shorter. The caller fills a
  // prefix of it and calls commit() once with the length of that. Empty: no more bytes are taken
  // (state() says why); the caller throws the data away, and does not commit. `bytes` is what is
  // about to come: it decides where the content goes. REQUIRES: bytes > 0. Waits for an append()
  // of another thread that is writing to the file.
  [[nodiscard]] std::span<std::uint8_t> reserve(std::size_t bytes);
  void commit(std::size_t bytes);
  // reserve, copy and commit in one. While another thread holds a reservation the bytes are kept
  // aside and follow it.
  void append(ByteView bytes);
  // No more bytes come: ended or writer_died. Later calls change nothing. An announced length that
  // was not reached makes writer_died of ended, one that was reached makes ended of writer_died.
  // While a thread holds a reservation, the end comes with its commit.
  void end(BufferState how);
  // A writer waits for credit and has got none for a while: if the reader stands still the content
  // goes to the file, so that the writer can go on. If the budget has no room for what the reader
  // waits for, and none can come, the buffer ends with no_space: they would wait for ever.
  void writer_waits();

  // --- the reading side ---

  // What a read needs before it can return.
  enum class Need : std::uint8_t {
    some,  // at least one byte
    line,  // a newline
    end,   // the end of the content (of the announced length, if there is one)
  };
  using Wait = store::Wait;
  // Blocks (never with the GIL) until `need` holds within `max` bytes from the read position
  // (ready), nothing more can come (ended: what there is may be less), or the wait is broken off.
  // `max` 0 is no limit; `max` bytes satisfy every need. Whole content makes Need::end ready;
  // content that was cut off, or closed by the reader, makes it ended. `point` may be null; with
  // one the buffer must be owned by a shared_ptr. Looks for `spin` before it sleeps.
  Wait wait(Need need,
            std::size_t max,
            TimePoint until,
            InterruptPoint* point,
            microseconds spin = kSpinDefault);
  // The same question without waiting; nullopt: it would block.
  [[nodiscard]] std::optional<Wait> poll(Need need, std::size_t max);

  // Bytes that were given out. They stay as they are until the Pin is destroyed.
  class Pin {
   public:
    Pin() noexcept = default;
    Pin(Pin&& other) noexcept;
    Pin& operator=(Pin&& other) noexcept;
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin();
    [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

   private:
    friend class Buffer;
    std::shared_ptr<Buffer> buffer_;  // owners: this pin and whoever else holds the buffer; null
                                      // if nothing waits for the bytes to be let go of
    std::shared_ptr<void> memory_;    // owners: the pins of it and, until it moves on, the buffer
    std::uint64_t position_ = 0;
    std::uint32_t stage_ = 0;  // which stage of the buffer the bytes belong to
    ByteView bytes_;
  };
  // Takes up to `max` unread bytes (0: all there is) and moves the read position behind them. May
  // give fewer than there are (never none of some): ask again.
  [[nodiscard]] Pin take(std::size_t max);
  // The unread bytes without moving. All of them are at one address. Fewer than there are only if
  // the mapping for all was refused (then `too_large` is an Error).
  [[nodiscard]] Result<Pin> peek(std::size_t max);
  // take() up to and with the first newline, at most `max` bytes (0: no limit). Without a newline
  // it takes what there is.
  [[nodiscard]] Pin take_line(std::size_t max);

  // Where `needle` begins, counted from the read position, looking in [from, to) of the unread
  // bytes.
  [[nodiscard]] std::optional<std::size_t> find(ByteView needle, std::size_t from, std::size_t to);

  struct Position {
    std::uint64_t read = 0;     // of the next byte that a read returns
    std::uint64_t written = 0;  // behind the last byte
    std::uint64_t kept = 0;     // of the oldest byte that can be sought; never behind `read`
    BufferState state = BufferState::open;
    bool reader_closed = false;
    [[nodiscard]] std::uint64_t unread() const noexcept { return written - read; }
  };
  [[nodiscard]] Position position();
  // False: `position` is not within [kept, written]. Going forward counts as reading.
  [[nodiscard]] bool seek(std::uint64_t position);
  // What is there stays readable; the writer is told.
  void close_reader();
  // Gives back the memory and the file of a buffer that is over and read to its end.
  void discard_content();

  // One wait of an event loop: `notifier` gets `token` once, when wait() with the same `need` and
  // `max` would return; at once if it would already. What wait() does so that the reader and the
  // writer do not wait for each other (spill, more credit) is done here too. Owners of the
  // notifier: its loop and, until the token was given or forgotten, the buffer.
  void add_waiter(const std::shared_ptr<Notifier>& notifier,
                  std::uint64_t token,
                  Need need,
                  std::size_t max);
  void forget_waiter(const Notifier& notifier, std::uint64_t token);

  void wake_all() noexcept override;
  void room_came() noexcept override;

  [[nodiscard]] const BufferOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] ByteView reference() const noexcept { return reference_; }
  struct Usage {
    std::uint64_t memory_bytes;
    std::uint64_t file_bytes;
  };
  [[nodiscard]] Usage usage();

 private:
  struct Inside;  // store/buffer_inside.hpp
  const std::uint64_t number_;
  const BufferOptions options_;
  const Bytes reference_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace pyport::store
