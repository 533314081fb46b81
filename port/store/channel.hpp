// A channel: a queue of messages for Python, and the sending half of one for Erlang.
//
// To Python. Whoever reads the link puts messages in, as received bytes: those that came together
// in one copy, large ones in the memory they were received in. What a message costs does not depend
// on how many are queued. Threads of Python take them; who waits is served in turn: a message that
// was promised to a waiting thread is not taken by one that comes later. Who was promised one and
// does not take it gives the promise to the next, and the message stays where it was.
//
// To Erlang. Python takes a place for a message within the window before it sends it; the BEAM says
// what was taken there. Who waits for a place gets it in turn: nobody that comes later takes one
// while somebody waits, however small its message is. Between channels that wait for the budget
// there is no order.
//
// Ends. After close() nothing is sent to Erlang any more; what Erlang sent before it knew is still
// read. After end() the queue is read to its end, which is told when the last message was taken,
// not while one is promised. A closed channel tells the BEAM so once, behind the last message to
// Erlang.
//
// Any thread; nothing here takes the GIL, and only await() blocks: never with the GIL. The mutex is
// a leaf: events are told and memory is freed outside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/bytes.hpp"
#include "core/payload.hpp"
#include "store/budget.hpp"
#include "store/interrupt.hpp"
#include "store/notifier.hpp"
#include "store/wait_list.hpp"
#include "sys/clock.hpp"
#include "sys/sleep.hpp"

namespace pyport::store {

enum class ChannelKind : std::uint8_t { terms = 0, bytes = 1 };

struct ChannelOptions {
  ChannelKind kind = ChannelKind::terms;
  std::uint64_t bytes_max = 0;  // of each queue; 0: only the budget bounds it
};

// What the BEAM is told. Called without a mutex, by whichever thread caused it, which may hold the
// GIL: implementations queue and never block.
class ChannelEvents {
 public:
  virtual ~ChannelEvents() = default;
  // Python has taken messages of `taken` bytes in all.
  virtual void credit(std::uint64_t number, std::uint64_t taken) noexcept = 0;
  // Nothing more is sent to Erlang. `by_python`: nobody in the BEAM closed it before.
  virtual void closed(std::uint64_t number, bool by_python) noexcept = 0;
  // The channel left the registry by itself.
  virtual void forgotten(std::uint64_t number) noexcept = 0;
  // Python waits for room: the BEAM is to tell what was taken. 0: of every channel.
  virtual void want(std::uint64_t number) noexcept = 0;
  // The queues to Python hold more than the budget allows, or not any more.
  virtual void pressure(bool on) noexcept = 0;
};

// What all channels of the process hold: memory of the queues to Python, and what is on its way to
// Erlang, each message with its size and kMessageOverheadBytes. Each is bounded by bytes_max.
class ChannelBudget;  // store/channel_budget.hpp

// How a side learns what the other has taken without a message for each: at once what it asks for,
// else in steps.
[[nodiscard]] constexpr std::uint64_t credit_step(std::uint64_t bytes_max) noexcept {
  constexpr std::uint64_t kMax = std::uint64_t{1} << 20;
  return bytes_max == 0 || bytes_max / 4 > kMax ? kMax : bytes_max / 4 + 1;
}

// What stands before a message in a batch: its length, and operation and number, which it counts.
inline constexpr std::size_t kEntryHeadBytes = 4 + 1 + 8;

// What a message to Erlang costs the two processes besides its bytes, about.
inline constexpr std::uint64_t kMessageOverheadBytes = 64;

inline constexpr std::uint64_t kTotalNone = ~std::uint64_t{0};  // of end(): nothing more comes

class Channel final : public Waitable,
                      public RoomWaiter,
                      public std::enable_shared_from_this<Channel> {
 public:
  // As Buffer's: `reference` is the term of the Erlang reference without its version byte, empty
  // for a channel that has none. Budget and events outlive it.
  Channel(std::uint64_t number,
          const ChannelOptions& options,
          ChannelBudget& budget,
          ChannelEvents& events,
          Bytes reference = {});
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() override;

  // --- to Python: whoever reads a lane ---

  // `entries` are one or more messages as they stand in a batch, all for this channel: *(length:32
  // header/9 bytes message). `undecoded` protects what the messages refer to (Buffers::undecoded)
  // until they are taken; may be null.
  void append(ByteView entries, std::size_t count, std::shared_ptr<const void> undecoded);
  // One message in memory of its own; it begins at `offset`.
  void append(Payload memory, std::size_t offset, std::shared_ptr<const void> undecoded);
  // The BEAM sends no more than `total` weights in all (docs/protocol.md), or, with kTotalNone, no
  // more than has come.
  void end(std::uint64_t total);
  // Nobody in the BEAM uses it any more: end(kTotalNone), and what is queued protects no longer
  // what it refers to, or a channel that refers to itself would never die.
  void abandon();
  // The BEAM asks for what it was not told yet.
  void wanted();

  // --- to Python: whoever takes ---

  // A message that was taken: its bytes live as long as this.
  struct Taken {
    ByteView bytes;
    std::shared_ptr<const void> memory;  // owners: this, the queue and other messages beside it
  };
  // Nullopt: nothing is there that was not promised to others; ended() says whether more can come.
  [[nodiscard]] std::optional<Taken> try_take();
  [[nodiscard]] bool ended();
  // A thread's place among those that wait for a message. await() says ready when one is promised
  // to it, and ended as ended() does.
  class Turn final : public Place {
   public:
    // `sleep` is how the thread sleeps.
    Turn(Channel& channel, const std::shared_ptr<Sleep>& sleep) noexcept
        : channel_(channel), self_{sleep} {}
    ~Turn() override { leave(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    Wait await(TimePoint until, InterruptPoint* point) override;
    void leave() override;
    // The message, without blocking. REQUIRES: await() said ready, and nothing was called since.
    [[nodiscard]] Taken take();

   private:
    Channel& channel_;
    WaitList::Waiter self_;
  };

  // One wait of an event loop: `notifier` gets `token` once when there is a message or the end; at
  // once if there is already. Notified one for each message, in turn, behind the threads that wait.
  // Nothing is promised: another may take it first. Owners of the notifier: its loop and, until
  // then, the channel.
  void add_waiter(const std::shared_ptr<Notifier>& notifier, std::uint64_t token);
  // False: the token was given already; who does not use it calls pass_on().
  bool forget_waiter(const Notifier& notifier, std::uint64_t token);
  // A wait of a loop was told of a message and does not take it: the next one is told.
  void pass_on();

  // --- to Erlang: whoever sends ---

  enum class Room : std::uint8_t { taken, full, closed, too_large };
  // Takes a place for a message of `size` bytes. taken: the caller sends it (queues it on the link)
  // and calls sent(). bytes_max bounds sizes; the budget is charged kMessageOverheadBytes more for
  // each message, empty ones too. too_large: more than bytes_max or the budget, it never fits.
  // full: also while others wait; the BEAM was asked to tell what was taken there, if it was not
  // just before.
  [[nodiscard]] Room take_room(std::size_t size);
  void sent();
  // A thread's place among those that wait for room. await() says ready when room is reserved for
  // it, ended when the channel is closed.
  class RoomTurn final : public Place {
   public:
    // take_room(size) said full.
    RoomTurn(Channel& channel, std::size_t size, const std::shared_ptr<Sleep>& sleep) noexcept
        : channel_(channel), self_{sleep, size} {}
    ~RoomTurn() override { leave(); }
    RoomTurn(const RoomTurn&) = delete;
    RoomTurn& operator=(const RoomTurn&) = delete;
    Wait await(TimePoint until, InterruptPoint* point) override;
    void leave() override;
    // As take_room(), but for what is reserved: taken or closed. REQUIRES: as Turn::take().
    [[nodiscard]] Room take();

   private:
    Channel& channel_;
    WaitList::Waiter self_;
  };
  // What bounds all channels; a message of more never fits.
  [[nodiscard]] std::uint64_t budget_bytes_max() const noexcept;
  // So many messages of so many bytes, of all that were sent.
  struct Sums {
    std::uint64_t bytes = 0;
    std::uint64_t count = 0;
  };
  static constexpr Sums kAll{~std::uint64_t{0}, ~std::uint64_t{0}};
  // The BEAM's processes have taken so much in all.
  void credit(const Sums& taken);

  // --- both ---

  // Python closes it, both ways.
  void close();
  // Python has let go of it. If Python closed it, nobody wants what is queued and what still comes:
  // it is gone. Not while somebody waits.
  void discard();
  // close() or end() was called: nothing is sent to Erlang any more.
  [[nodiscard]] bool closed();
  void wake_all() noexcept override;
  void room_came() noexcept override;

  struct Status {
    std::uint64_t messages = 0;  // queued for Python
    std::uint64_t size = 0;      // their bytes
    std::uint64_t memory = 0;    // what they hold of the budget
    std::uint64_t taken = 0;     // bytes that Python has taken so far
    std::uint64_t outgoing = 0;  // bytes sent to Erlang so far
    bool closed = false;         // Python gets no more than what is queued
  };
  [[nodiscard]] Status status();
  [[nodiscard]] const ChannelOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] ByteView reference() const noexcept { return reference_; }

 private:
  struct Inside;  // store/channel_inside.hpp
  const std::uint64_t number_;
  const ChannelOptions options_;
  const Bytes reference_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace pyport::store
