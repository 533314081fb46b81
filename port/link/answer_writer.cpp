#include "link/answer_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <string>
#include <sys/uio.h>
#include <unistd.h>

#include "sys/descriptors.hpp"
#include "sys/log.hpp"
#include "sys/process.hpp"
#include "wire/message.hpp"

namespace pyport::link {
namespace {

// Memory that one huge answer needed is given back; what ordinary traffic needs is kept.
constexpr std::size_t kKeptBytesMax = 4U << 20;

[[noreturn]] void link_is_gone(int error) {
  // The BEAM closed the link, or Python code closed our descriptor. Either way nobody can be
  // answered any more.
  if (error == EPIPE) exit_process(Exit::done);
  log_line(std::string("writing to the link: ") + std::strerror(error));
  exit_process(Exit::os_error);
}

}  // namespace

void AnswerWriter::append(ByteView message) {
  if (in_forked_child()) return;  // the mutexes may be held by threads that are not there
  MutexLock lock(queue_mutex_);
  put_u32(queue_, static_cast<std::uint32_t>(message.size()));
  put_bytes(queue_, message);
  ++queue_count_;
  queued_bytes_.store(queue_.size());
}

void AnswerWriter::take_queue_locked() {
  writing_.clear();
  if (writing_.capacity() > kKeptBytesMax) writing_.shrink_to_fit();
  written_ = 0;
  std::size_t count = 0;
  {
    MutexLock lock(queue_mutex_);
    // Before the HELLO each message is a packet of its own, which is what the queue already holds.
    writing_.swap(queue_);
    count = queue_count_;
    queue_count_ = 0;
    // In this order: idle() must not see both gone while the bytes move from one to the other.
    write_left_.store(!writing_.empty());
    queued_bytes_.store(0);
  }
  messages_total_.fetch_add(count, std::memory_order_relaxed);  // a counter, orders nothing
  // Beyond the limit they go out as they are: each message with its length is a packet.
  if (count > 1 && batches_.load() && writing_.size() < packet_bytes_max_) {
    store_u32(batch_head_, static_cast<std::uint32_t>(writing_.size() + 1));
    batch_head_[4] = static_cast<std::uint8_t>(wire::Op::batch);
    batch_head_left_ = sizeof batch_head_;
  }
}

AnswerWriter::Written AnswerWriter::write_locked() {
  for (;;) {
    if (batch_head_left_ == 0 && written_ == writing_.size()) {
      if (queued_bytes_.load() == 0) {
        write_left_.store(false);
        return Written::all;
      }
      take_queue_locked();
    }
    const iovec parts[] = {
        {batch_head_ + (sizeof batch_head_ - batch_head_left_), batch_head_left_},
        {writing_.data() + written_, writing_.size() - written_}};
    const ssize_t count = ::writev(fd_, parts, 2);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Written::some;
      link_is_gone(errno);
    }
    const auto bytes = static_cast<std::size_t>(count);
    const std::size_t of_head = std::min(bytes, batch_head_left_);
    batch_head_left_ -= of_head;
    written_ += bytes - of_head;
    bytes_total_.fetch_add(bytes, std::memory_order_relaxed);  // a counter, orders nothing
  }
}

bool AnswerWriter::try_flush() {
  if (in_forked_child()) return true;
  // Who finds the mutex taken leaves its message to the holder, who looks again after letting go.
  while (!idle() && write_mutex_.try_lock()) {
    const Written written = write_locked();
    write_mutex_.unlock();
    if (written == Written::some) return false;
  }
  return true;
}

void AnswerWriter::flush() {
  if (in_forked_child()) exit_process(Exit::os_error);
  while (!idle()) {
    Written written = Written::all;
    {
      MutexLock lock(write_mutex_);
      written = write_locked();
    }
    if (written == Written::all) continue;
    pollfd writable{fd_, POLLOUT, 0};
    ::poll(&writable, 1, -1);
  }
}

}  // namespace pyport::link
