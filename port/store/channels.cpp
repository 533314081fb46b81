#include "store/channels.hpp"

namespace pyport::store {

Result<Done> Channels::create(std::uint64_t number,
                              ByteView reference,
                              const ChannelOptions& options) {
  return registry_.add(std::make_shared<Channel>(
      number, options, budget_, events_, Bytes(reference.begin(), reference.end())));
}

void Channels::end(std::uint64_t number, std::uint64_t total) {
  const std::shared_ptr<Channel> channel = find(number);
  if (!channel) return;
  channel->end(total);
  retire(channel);
}

void Channels::drop(std::uint64_t number) {
  const std::shared_ptr<Channel> channel = find(number);
  if (!channel) return;
  channel->abandon();
  channel->credit(Channel::kAll);  // nobody is left to take what was sent
  registry_.drop(channel, channel->status().memory);
}

void Channels::released(const std::shared_ptr<Channel>& channel) {
  if (registry_.released(channel) != Registry<Channel>::Left::let_go) return;
  channel->discard();
  retire(channel);
}

void Channels::retire(const std::shared_ptr<Channel>& channel) {
  const Channel::Status status = channel->status();
  if (!status.closed || status.messages > 0) return;
  const auto retired = registry_.retire(channel, Registry<Channel>::NeverHeld::leaves);
  if (retired.forgotten) events_.forgotten(retired.forgotten->number());
}

}  // namespace pyport::store
