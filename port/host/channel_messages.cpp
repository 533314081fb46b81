#include "host/channel_messages.hpp"

#include <utility>

#include "etf/control.hpp"

namespace pyport::host {

static_assert(store::kEntryHeadBytes == wire::kLengthBytes + wire::kControlHeaderBytes);

Result<Done> ChannelMessages::message(const wire::Message& head, ByteView body) {
  using wire::Op;
  switch (head.op) {
    case Op::channel_new:
      return create(head.id, body);
    case Op::channel_close:
      channels_.end(head.id, load_u64(body.data()));
      return Done{};
    case Op::channel_drop:
      channels_.drop(head.id);
      return Done{};
    case Op::channel_wait:
      if (const auto channel = channels_.find(head.id)) channel->wanted();
      return Done{};
    case Op::channel_taken:
      if (const auto channel = channels_.find(head.id))
        channel->credit({load_u64(body.data()), load_u64(body.data() + 8)});
      return Done{};
    default:
      return Error{Errc::protocol,
                   "operation " + std::to_string(static_cast<int>(head.op)) + " for a channel"};
  }
}

Result<Done> ChannelMessages::create(std::uint64_t number, ByteView body) {
  PYPORT_TRY(const wire::ChannelNew wanted, wire::parse_channel_new(body));
  if (number == 0) return Error{Errc::protocol, "a CHANNEL_NEW of number 0"};
  const store::ChannelOptions options{
      wanted.raw ? store::ChannelKind::bytes : store::ChannelKind::terms, wanted.bytes_max};
  auto made = channels_.create(number, wanted.reference, options);
  if (made.ok()) return Done{};
  if (made.error().code != Errc::too_large) return made;
  events_.too_many(number);
  return Done{};
}

void ChannelMessages::send(std::uint64_t channel, ByteView entries, std::size_t count) {
  const auto found = channels_.find(channel);
  if (found) found->append(entries, count, dropped_.undecoded());
}

void ChannelMessages::send(std::uint64_t channel, Payload memory, std::size_t offset) {
  const auto found = channels_.find(channel);
  if (found) found->append(std::move(memory), offset, dropped_.undecoded());
}

std::optional<Bytes> ChannelMessages::info(std::uint64_t number) {
  const auto channel = channels_.find(number);
  if (!channel) return std::nullopt;
  const store::Channel::Status status = channel->status();
  etf::ControlWriter out;
  out.map(5).atom("messages").integer(status.messages).atom("size").integer(status.size);
  out.atom("taken").integer(status.taken).atom("outgoing").integer(status.outgoing);
  out.atom("closed").atom(status.closed ? "true" : "false");
  return out.bytes();
}

}  // namespace pyport::host
