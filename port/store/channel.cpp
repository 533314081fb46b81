// The queue to Python, and how a channel ends.
#include <algorithm>

#include "core/check.hpp"
#include "store/channel_inside.hpp"

namespace pyport::store {

namespace {

// A run of so many bytes gets a block of its own, filled without the mutex.
constexpr std::size_t kOwnBlockBytes = std::size_t{4} << 10;
// The others share blocks, each twice as large as the one before while that is in the queue.
constexpr std::size_t kFirstBlockBytes = 256;
constexpr std::size_t kBlockBytesMax = std::size_t{64} << 10;

}  // namespace

Channel::Channel(std::uint64_t number,
                 const ChannelOptions& options,
                 ChannelBudget& budget,
                 ChannelEvents& events,
                 Bytes reference)
    : number_(number),
      options_(options),
      reference_(std::move(reference)),
      inside_(std::make_unique<Inside>(*this, budget, events)) {}

Channel::~Channel() {
  std::uint64_t held = 0;
  {
    const MutexLock lock(inside_->mutex);
    held = Inside::charge(inside_->outgoing) - Inside::charge(inside_->credited);
  }
  if (held > 0) inside_->budget.outgoing().give_memory(held);
}

void Channel::append(ByteView entries, std::size_t count, std::shared_ptr<const void> undecoded) {
  Inside::Come come{count, entries.size() - count * kEntryHeadBytes, 0};
  come.weight = come.size;
  for (ByteView rest = entries; !rest.empty();) {
    const std::size_t length = load_u32(rest.data()) + sizeof(std::uint32_t);
    if (length == kEntryHeadBytes) ++come.weight;
    rest = rest.subspan(length);
  }
  std::size_t block_bytes = entries.size();
  if (entries.size() < kOwnBlockBytes) {
    block_bytes = inside_->add_to_last(entries, come, undecoded);
    if (block_bytes == 0) return;
  }
  // No memory for what was sent: terminate says so.
  inside_->add(
      std::make_shared<MessageBlock>(
          inside_->budget, Payload::with_size(block_bytes).value(), entries, std::move(undecoded)),
      come);
}

void Channel::append(Payload memory, std::size_t offset, std::shared_ptr<const void> undecoded) {
  const std::size_t bytes = memory.size() - offset;
  inside_->add(std::make_shared<MessageBlock>(
                   inside_->budget, std::move(memory), offset, std::move(undecoded)),
               {1, bytes, std::max<std::uint64_t>(bytes, 1)});
}

std::size_t Channel::Inside::add_to_last(ByteView entries,
                                         const Come& come,
                                         const std::shared_ptr<const void>& undecoded) {
  Effects effects;
  {
    const MutexLock lock(mutex);
    if (over) return 0;
    if (!discards) {
      if (blocks.empty()) return std::max(kFirstBlockBytes, entries.size());
      MessageBlock& last = *blocks.back();
      if (!last.has_room(entries.size()))
        return std::clamp(
            last.capacity() * 2, std::max(kFirstBlockBytes, entries.size()), kBlockBytesMax);
      last.put(entries);
      last.protect(undecoded);
    }
    come_locked(come, effects);
  }
  carry_out(effects);
  return 0;
}

void Channel::Inside::add(std::shared_ptr<MessageBlock> block, const Come& come) {
  Effects effects;
  {
    const MutexLock lock(mutex);
    if (over) return;  // who sent it knows
    if (!discards) {
      memory += block->memory_bytes();
      blocks.push_back(std::move(block));
    }
    come_locked(come, effects);
  }
  carry_out(effects);
}

void Channel::Inside::come_locked(const Come& come, Effects& effects) {
  received += come.weight;
  if (discards) return check_over_locked(effects);
  messages += come.count;
  size += come.size;
  offer_locked(come.count, effects);
  check_over_locked(effects);
}

void Channel::Inside::check_over_locked(Effects& effects) {
  if (over || !total || received < *total) return;
  over = true;
  tell_end_locked(effects);
}

void Channel::Inside::tell_end_locked(Effects& effects) {
  if (!at_end_locked()) return;
  waiters.tell_all(effects.wakes);
  effects.fire.splice(effects.fire.end(), loop_waits);
}

Channel::Taken Channel::Inside::take_locked(Effects& effects) {
  PYPORT_CHECK(messages > 0, channel.number(), promised);
  const std::shared_ptr<MessageBlock>& first = blocks.front();
  Taken message{first->take(), first};
  if (first->drained()) {
    memory -= first->memory_bytes();
    blocks.pop_front();  // the message keeps it
  }
  --messages;
  size -= message.bytes.size();
  taken += message.bytes.size();
  credit_locked(effects);
  tell_end_locked(effects);
  return message;
}

void Channel::Inside::credit_locked(Effects& effects) {
  if (telling || taken == told) return;  // who tells looks again
  const bool due =
      taken - told >= credit_step(channel.options_.bytes_max) || (waited && messages == 0);
  if (!due && !asked) return;
  if (due) waited = false;
  asked = false;
  told = taken;
  telling = true;
  effects.credit = taken;
}

void Channel::wanted() {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->asked = inside_->taken != inside_->told;
    inside_->waited = true;
    inside_->credit_locked(effects);
  }
  inside_->carry_out(effects);
}

void Channel::end(std::uint64_t total) {
  Inside& inside = *inside_;
  Inside::Effects effects;
  {
    const MutexLock lock(inside.mutex);
    if (total == kTotalNone)
      inside.total = inside.received;
    else if (!inside.total)
      inside.total = total;
    inside.check_over_locked(effects);
    inside.close_locked(ClosedFirst::by_erlang, effects);
  }
  inside.carry_out(effects);
}

void Channel::abandon() {
  end(kTotalNone);
  Inside& inside = *inside_;
  std::shared_ptr<MessageBlock> first;  // the queue, and who decodes a message of it
  std::size_t bytes = 0;
  {
    const MutexLock lock(inside.mutex);
    for (const auto& block : inside.blocks) {
      // Only from the first one messages were taken. Nobody else can come to hold it.
      if (block.use_count() == 1)
        block->release_undecoded();
      else
        first = block;
    }
    if (!first) return;
    bytes = first->rest().size();
  }
  auto others = std::make_shared<MessageBlock>(
      inside.budget, Payload::with_size(bytes).value(), ByteView(), nullptr);
  const MutexLock lock(inside.mutex);
  if (inside.blocks.empty() || inside.blocks.front() != first) return;  // taken meanwhile
  others->put(first->rest());
  inside.memory += others->memory_bytes();
  inside.memory -= first->memory_bytes();
  inside.blocks.front() = std::move(others);
}

void Channel::close() {
  Inside::Effects effects;
  {
    const MutexLock lock(inside_->mutex);
    inside_->close_locked(ClosedFirst::by_python, effects);
  }
  inside_->carry_out(effects);
}

void Channel::discard() {
  Inside& inside = *inside_;
  std::list<std::shared_ptr<MessageBlock>> gone;  // dies outside the mutex
  const MutexLock lock(inside.mutex);
  if (inside.closed != ClosedFirst::by_python) return;
  if (inside.promised > 0 || !inside.waiters.empty()) return;
  inside.discards = true;
  inside.blocks.swap(gone);
  inside.messages = 0;
  inside.size = 0;
  inside.memory = 0;
}

void Channel::Inside::close_locked(ClosedFirst who, Effects& effects) {
  if (closed) return;
  closed = who;
  room_waiters.tell_all(effects.wakes);
  tell_closed_locked(effects);
}

void Channel::Inside::tell_closed_locked(Effects& effects) {
  if (!closed || closed_told || sending > 0) return;
  closed_told = true;
  effects.closed = closed;
}

void Channel::Inside::carry_out(Effects& effects) {
  wake(effects.wakes);
  for (const LoopWait& wait : effects.fire)
    wait.notifier->notify(wait.token);
  effects.fire.clear();
  if (effects.room_back > 0) budget.outgoing().give_memory(effects.room_back);
  if (effects.room_wanted)
    budget.outgoing().wait_for_room(channel.weak_from_this(), *effects.room_wanted);
  if (effects.want) events.want(*effects.want);
  if (effects.closed) events.closed(channel.number_, *effects.closed == ClosedFirst::by_python);
  while (effects.credit) {
    events.credit(channel.number_, *effects.credit);
    effects.credit.reset();
    const MutexLock lock(mutex);
    telling = false;
    credit_locked(effects);  // what others could not tell meanwhile
  }
}

bool Channel::closed() {
  const MutexLock lock(inside_->mutex);
  return inside_->closed.has_value();
}

Channel::Status Channel::status() {
  Inside& inside = *inside_;
  const MutexLock lock(inside.mutex);
  return {inside.messages,
          inside.size,
          inside.memory,
          inside.taken,
          inside.outgoing.bytes,
          inside.over};
}

}  // namespace pyport::store
