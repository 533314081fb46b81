// What channel*.cpp share. Nobody else includes this.
//
// A member function that changes something collects in `Effects` what has to happen without the
// mutex; carry_out() does it.
//
// Threads that wait and messages. A message that comes while threads wait is promised to the first
// of them, which leaves the list; it takes a message when it runs, or gives the promise back. So
// while threads are in the list every message that is queued is promised.
//
// Threads that wait and room. The first in the list is served as soon as there is room for it: its
// room is reserved then, of the window and of the budget.
#pragma once

#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "store/channel.hpp"
#include "store/channel_budget.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

// Memory with messages: entries of a batch, or one message. Bytes behind `end` may be written while
// others read messages before it.
class MessageBlock {
 public:
  // Entries: so much of `memory` as they take is used.
  MessageBlock(ChannelBudget& budget,
               Payload memory,
               ByteView entries,
               std::shared_ptr<const void> undecoded)
      : MessageBlock(budget, std::move(memory), 0, std::move(undecoded)) {
    one_ = false;
    end_ = 0;
    put(entries);
  }
  // One message.
  MessageBlock(ChannelBudget& budget,
               Payload memory,
               std::size_t offset,
               std::shared_ptr<const void> undecoded)
      : budget_(budget),
        memory_(std::move(memory)),
        begin_(offset),
        end_(memory_.size()),
        undecoded_(std::move(undecoded)) {
    budget_.add_memory(memory_.capacity());
  }
  ~MessageBlock() {
    budget_.give_memory(memory_.capacity());
    if (one_) budget_.message_memory().give(std::move(memory_));
  }
  MessageBlock(const MessageBlock&) = delete;
  MessageBlock& operator=(const MessageBlock&) = delete;

  [[nodiscard]] std::size_t capacity() const noexcept { return memory_.size(); }
  // What the budget counts.
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return memory_.capacity(); }

  // --- with the channel's mutex, or before the channel has it ---

  [[nodiscard]] bool has_room(std::size_t bytes) const noexcept {
    return !one_ && memory_.size() - end_ >= bytes;
  }
  // REQUIRES: has_room().
  void put(ByteView entries) noexcept {
    if (entries.empty()) return;
    std::memcpy(memory_.data() + end_, entries.data(), entries.size());
    end_ += entries.size();
  }
  // The first message, which is taken. REQUIRES: not drained().
  [[nodiscard]] ByteView take() noexcept {
    if (one_) return memory_.view().subspan(std::exchange(begin_, end_));
    const std::size_t bytes = sizeof(std::uint32_t) + load_u32(memory_.view().data() + begin_);
    const ByteView entry = memory_.view().subspan(begin_, bytes);
    begin_ += bytes;
    return entry.subspan(kEntryHeadBytes);
  }
  // What take() has not taken yet, of entries.
  [[nodiscard]] ByteView rest() const noexcept {
    return memory_.view().subspan(begin_, end_ - begin_);
  }
  // Asked behind take(): an empty message in memory of its own begins at the end.
  [[nodiscard]] bool drained() const noexcept { return begin_ == end_; }
  // That of the first message that has one protects those behind it too.
  void protect(const std::shared_ptr<const void>& undecoded) noexcept {
    if (!undecoded_) undecoded_ = undecoded;
  }
  // REQUIRES: nobody has taken a message from it.
  void release_undecoded() noexcept { undecoded_.reset(); }

 private:
  ChannelBudget& budget_;
  Payload memory_;
  bool one_ = true;
  std::size_t begin_;
  std::size_t end_;
  // Owners: the blocks and requests that came since the last drop, and the registry.
  std::shared_ptr<const void> undecoded_;
};

enum class ClosedFirst : std::uint8_t { by_python, by_erlang };

struct Channel::Inside {
  Inside(Channel& owner, ChannelBudget& the_budget, ChannelEvents& the_events)
      : channel(owner), budget(the_budget), events(the_events) {}

  struct LoopWait {
    std::shared_ptr<Notifier> notifier;  // owners: its loop and, until it is told, the channel
    std::uint64_t token;
  };
  struct Effects {
    Wakes wakes;
    std::list<LoopWait> fire;
    std::optional<std::uint64_t> credit;
    std::optional<std::uint64_t> want;
    std::uint64_t room_back = 0;               // to the budget
    std::optional<std::uint64_t> room_wanted;  // of it, after that
    std::optional<ClosedFirst> closed;
  };
  using Stand = WaitList::Stand;

  Channel& channel;
  ChannelBudget& budget;
  ChannelEvents& events;
  Mutex mutex;

  // To Python. Owners of a block: the queue and who has taken a message from it.
  std::list<std::shared_ptr<MessageBlock>> blocks PYPORT_GUARDED_BY(mutex);
  std::uint64_t messages PYPORT_GUARDED_BY(mutex) = 0;  // queued
  std::uint64_t size PYPORT_GUARDED_BY(mutex) = 0;      // their bytes
  std::uint64_t memory PYPORT_GUARDED_BY(mutex) = 0;    // of the blocks
  std::uint64_t promised PYPORT_GUARDED_BY(mutex) = 0;  // of them
  std::uint64_t received PYPORT_GUARDED_BY(mutex) = 0;  // the sum of weights
  std::optional<std::uint64_t> total PYPORT_GUARDED_BY(mutex);
  bool over PYPORT_GUARDED_BY(mutex) = false;      // nothing more comes
  bool discards PYPORT_GUARDED_BY(mutex) = false;  // what comes is only counted
  WaitList waiters PYPORT_GUARDED_BY(mutex);
  std::list<LoopWait> loop_waits PYPORT_GUARDED_BY(mutex);

  // What the BEAM knows of it.
  std::uint64_t taken PYPORT_GUARDED_BY(mutex) = 0;
  std::uint64_t told PYPORT_GUARDED_BY(mutex) = 0;
  bool telling PYPORT_GUARDED_BY(mutex) = false;  // one thread tells, so that it only grows
  bool asked PYPORT_GUARDED_BY(mutex) = false;    // for what is untold
  bool waited PYPORT_GUARDED_BY(mutex) = false;   // for the next step, or the last message

  // To Erlang.
  Sums outgoing PYPORT_GUARDED_BY(mutex);               // what took a place
  Sums credited PYPORT_GUARDED_BY(mutex);               // of them, taken there
  std::uint64_t sending PYPORT_GUARDED_BY(mutex) = 0;   // took a place and are not sent
  std::uint64_t reserved PYPORT_GUARDED_BY(mutex) = 0;  // sizes, for waiters that were served
  std::optional<ClosedFirst> closed PYPORT_GUARDED_BY(mutex);
  bool closed_told PYPORT_GUARDED_BY(mutex) = false;
  WaitList room_waiters PYPORT_GUARDED_BY(mutex);
  std::optional<TimePoint> want_told PYPORT_GUARDED_BY(mutex);        // none: credit came since
  std::optional<std::uint64_t> budget_wait PYPORT_GUARDED_BY(mutex);  // what it was asked for

  // --- channel.cpp ---
  struct Come {
    std::uint64_t count;
    std::uint64_t size;
    std::uint64_t weight;
  };
  // 0: they are in the last block, or nobody takes them any more. Else how large a block for them
  // is to be.
  [[nodiscard]] std::size_t add_to_last(ByteView entries,
                                        const Come& come,
                                        const std::shared_ptr<const void>& undecoded)
      PYPORT_EXCLUDES(mutex);
  void add(std::shared_ptr<MessageBlock> block, const Come& come) PYPORT_EXCLUDES(mutex);
  void come_locked(const Come& come, Effects& effects) PYPORT_REQUIRES(mutex);
  void check_over_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  // Tells the end to all that wait, if it is there.
  void tell_end_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  [[nodiscard]] Taken take_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  void credit_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  void close_locked(ClosedFirst who, Effects& effects) PYPORT_REQUIRES(mutex);
  void tell_closed_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  void carry_out(Effects& effects) PYPORT_EXCLUDES(mutex);

  // --- channel_room.cpp ---
  // What the budget is charged.
  [[nodiscard]] static constexpr std::uint64_t charge(const Sums& messages) noexcept {
    return messages.bytes + messages.count * kMessageOverheadBytes;
  }
  [[nodiscard]] std::uint64_t own_room_locked() PYPORT_REQUIRES(mutex);
  // Asks the BEAM for what the first that waits needs, or else `bytes`; unless it was asked within
  // `pause` and has not answered.
  void want_locked(std::uint64_t bytes, milliseconds pause, Effects& effects)
      PYPORT_REQUIRES(mutex);
  // Reserves room for those that wait, in turn.
  void serve_room_locked(Effects& effects) PYPORT_REQUIRES(mutex);
  // What a wait for room returns; nullopt: it sleeps on.
  [[nodiscard]] std::optional<Wait> room_answer_locked(WaitList::Waiter& self,
                                                       TimePoint until,
                                                       const InterruptPoint* point,
                                                       Effects& effects) PYPORT_REQUIRES(mutex);

  // --- channel_wait.cpp ---
  [[nodiscard]] bool has_message_locked() const PYPORT_REQUIRES(mutex) {
    return messages > promised;
  }
  [[nodiscard]] bool at_end_locked() const PYPORT_REQUIRES(mutex) { return over && messages == 0; }
  // `count` messages that nobody is promised: to those that wait.
  void offer_locked(std::uint64_t count, Effects& effects) PYPORT_REQUIRES(mutex);
  // What a wait for a message returns; nullopt: it sleeps on.
  [[nodiscard]] std::optional<Wait> answer_locked(WaitList::Waiter& self,
                                                  TimePoint until,
                                                  const InterruptPoint* point)
      PYPORT_REQUIRES(mutex);
};

}  // namespace pyport::store
