// Writes answers to the bulk lane (docs/protocol.md). Any thread, never with the GIL: write()
// blocks until the BEAM has taken the bytes.
#pragma once

#include "core/bytes.hpp"
#include "link/traffic.hpp"
#include "sys/mutex.hpp"

namespace pyport::link {

class BulkWriter {
 public:
  // `fd` is borrowed, a blocking socket.
  BulkWriter(int fd, Traffic& traffic) noexcept : fd_(fd), traffic_(traffic) {}

  // One answer as one packet. The order among threads is that of their calls.
  void write(ByteView answer) PYPORT_EXCLUDES(mutex_);

 private:
  const int fd_;
  Traffic& traffic_;
  // The one mutex that is held while a thread blocks: it is the order of whole packets, and who
  // waits for it would otherwise wait for the socket.
  Mutex mutex_;
};

}  // namespace pyport::link
