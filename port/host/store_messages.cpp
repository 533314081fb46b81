#include "host/store_messages.hpp"

#include "etf/control.hpp"

namespace pyport::host {
namespace {

using store::BufferState;

const char* name_of(const store::Buffer::Position& position) noexcept {
  switch (position.state) {
    case BufferState::open:
      return position.reader_closed ? "reader_closed" : "open";
    case BufferState::ended:
      return "ended";
    case BufferState::writer_died:
      return "writer_died";
    case BufferState::no_space:
      return "no_space";
    case BufferState::too_large:
      return "too_large";
    default:
      return "reader_closed";
  }
}

store::BufferOptions options_of(const wire::BufferNew& wanted) {
  store::BufferOptions options;
  if (wanted.length != wire::BufferNew::kNoLength) options.length = wanted.length;
  options.bytes_max = wanted.bytes_max;
  options.overflow_threshold = wanted.overflow_threshold;
  options.window = wanted.window;
  options.retain = wanted.retain_all ? store::Retain::all : store::Retain::unread;
  return options;
}

}  // namespace

Result<Done> StoreMessages::message(const wire::Message& head, ByteView body) {
  switch (head.op) {
    case wire::Op::messages_taken:
      parts_.processes.credit(load_u64(body.data()));
      return Done{};
    case wire::Op::process:
      parts_.processes.heard(head.id, body[0] != 0);
      return Done{};
    default:
      return wire::is_buffer(head.op) ? buffer_message(head, body) : channels_.message(head, body);
  }
}

Result<Done> StoreMessages::buffer_message(const wire::Message& head, ByteView body) {
  if (head.op == wire::Op::buffer_new) return create(head.id, body);
  if (head.op == wire::Op::buffer_drop) {
    parts_.buffers.drop(head.id);
    return Done{};
  }
  const std::shared_ptr<store::Buffer> buffer = parts_.buffers.find(head.id);
  if (!buffer) return Done{};  // it crossed a FORGOTTEN
  switch (head.op) {
    case wire::Op::buffer_write:
      buffer->append(body);
      return Done{};
    case wire::Op::buffer_close: {
      // A writer that died between two pieces left a hole: what follows it is not the content.
      const store::Buffer::Position at = buffer->position();
      const bool whole = at.reader_closed || at.written == load_u64(body.data());
      parts_.buffers.end(head.id, whole ? BufferState::ended : BufferState::writer_died);
      return Done{};
    }
    case wire::Op::buffer_wait:
      buffer->writer_waits();
      return Done{};
    default:
      return Error{Errc::protocol,
                   "operation " + std::to_string(static_cast<int>(head.op)) + " for a buffer"};
  }
}

Result<Done> StoreMessages::create(std::uint64_t number, ByteView body) {
  PYPORT_TRY(const wire::BufferNew wanted, wire::parse_buffer_new(body));
  const auto made = parts_.buffers.create(number, wanted.reference, options_of(wanted));
  if (made.ok()) return Done{};
  if (made.error().code != Errc::too_large) return Error{Errc::protocol, made.error().detail};
  parts_.buffer_events.refused(number, BufferState::too_many);
  return Done{};
}

std::optional<Bytes> StoreMessages::buffer_info(std::uint64_t number) {
  const std::shared_ptr<store::Buffer> buffer = parts_.buffers.find(number);
  if (!buffer) return std::nullopt;
  const store::Buffer::Position position = buffer->position();
  const store::Buffer::Usage usage = buffer->usage();
  etf::ControlWriter out;
  out.map(6).atom("written").integer(position.written).atom("read").integer(position.read);
  out.atom("kept").integer(position.kept).atom("state").atom(name_of(position));
  out.atom("memory_bytes").integer(usage.memory_bytes);
  out.atom("file_bytes").integer(usage.file_bytes);
  return out.bytes();
}

link::ResourceMessages::Counts StoreMessages::counts() {
  const store::Buffers::Counts buffers = parts_.buffers.counts();
  const store::Channels::Counts channels = channels_.counts();
  return {buffers.count,
          buffers.memory_bytes,
          buffers.file_bytes,
          channels.count,
          channels.memory_bytes};
}

bool StoreWrites::select(std::uint64_t number) {
  release();
  selected_ = buffers_.find(number);
  return selected_ != nullptr;
}

void StoreWrites::release() {
  if (!selected_) return;
  buffers_.written(selected_);
  selected_.reset();
}

std::span<std::uint8_t> StoreWrites::reserve(std::size_t bytes) {
  return selected_->reserve(bytes);
}

void StoreWrites::commit(std::size_t bytes) {
  selected_->commit(bytes);
}

}  // namespace pyport::host
