// Whatever a packet contains: walking it ends, no message lies outside it, and headers are read
// without touching a byte more than there is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "wire/message.hpp"
#include "wire/packet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pyport::ByteView content(data, size);
  pyport::wire::PacketWalk walk(content);
  std::size_t walked = 0;
  while (walk.more()) {
    auto message = walk.next();
    if (!message.ok()) {
      if (walk.more()) std::abort();
      break;
    }
    walked += message.value().size();
    if (message.value().empty() || walked > size) std::abort();
    auto head = pyport::wire::parse_message(message.value());
    if (!head.ok()) continue;
    if (head.value().term_offset > message.value().size()) std::abort();
    const auto body = message.value().subspan(head.value().term_offset);
    if (head.value().op == pyport::wire::Op::buffer_new) {
      auto made = pyport::wire::parse_buffer_new(body);
      if (made.ok() && made.value().reference.empty()) std::abort();
    } else if (head.value().op == pyport::wire::Op::channel_new) {
      auto made = pyport::wire::parse_channel_new(body);
      if (made.ok() && made.value().reference.empty()) std::abort();
    } else if (head.value().op == pyport::wire::Op::channel_send && !walk.single()) {
      const auto run = walk.same_as(message.value());
      walked += run.entries.size() - message.value().size() - pyport::wire::kLengthBytes;
      if (run.count == 0 || walked > size) std::abort();
    }
  }
  return 0;
}
