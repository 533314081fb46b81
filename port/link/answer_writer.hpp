// Puts answers on the link. Any thread.
//
// In a child that Python forked nothing is queued or written: the link is closed there.
//
// append() only queues; what was queued since the last write goes out as one packet (a batch, once
// the HELLO allowed it). Writes never block inside: flush() polls between them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/bytes.hpp"
#include "sys/mutex.hpp"
#include "sys/wake_fd.hpp"

namespace pyport::link {

class AnswerWriter {
 public:
  // `fd` is borrowed and non-blocking. No batch is longer than `packet_bytes_max`.
  AnswerWriter(int fd, std::size_t packet_bytes_max) noexcept
      : fd_(fd), packet_bytes_max_(packet_bytes_max) {}

  // Queues one message. Never blocks, calls nothing; allowed with the GIL.
  void append(ByteView message) PYPORT_EXCLUDES(queue_mutex_);

  // Writes what can be written without waiting. False: the pipe is full and something is left,
  // which who reads the link will write; a thread that does not read has to wake it. What is queued
  // while another thread writes is written by that one. Allowed with the GIL.
  bool try_flush() PYPORT_EXCLUDES(queue_mutex_, write_mutex_);

  // The same for a thread that does not read the link: wakes who does if something is left.
  void flush_or_wake(const WakeFd& reader) PYPORT_EXCLUDES(queue_mutex_, write_mutex_) {
    if (!try_flush()) reader.wake();
  }

  // Writes everything, waiting for the BEAM to read. Never with the GIL. Ends a forked child: its
  // request is over, and it is nobody's host.
  void flush() PYPORT_EXCLUDES(queue_mutex_, write_mutex_);

  // Bytes queued and not yet taken by a write.
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_.load(); }
  [[nodiscard]] bool idle() const noexcept { return queued_bytes() == 0 && !write_left_.load(); }

  void allow_batches() noexcept { batches_.store(true); }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint64_t bytes_total() const noexcept { return bytes_total_.load(); }
  [[nodiscard]] std::uint64_t messages_total() const noexcept { return messages_total_.load(); }

 private:
  enum class Written { all, some };
  void take_queue_locked() PYPORT_REQUIRES(write_mutex_) PYPORT_EXCLUDES(queue_mutex_);
  Written write_locked() PYPORT_REQUIRES(write_mutex_) PYPORT_EXCLUDES(queue_mutex_);

  int fd_;
  std::size_t packet_bytes_max_;
  std::atomic<bool> batches_{false};
  std::atomic<std::size_t> queued_bytes_{0};
  std::atomic<bool> write_left_{false};  // writing_ is not empty
  std::atomic<std::uint64_t> bytes_total_{0};
  std::atomic<std::uint64_t> messages_total_{0};

  Mutex queue_mutex_;
  Bytes queue_ PYPORT_GUARDED_BY(queue_mutex_);  // *(length:32 message)
  std::size_t queue_count_ PYPORT_GUARDED_BY(queue_mutex_) = 0;

  // Leaf too, but for the order write_mutex_ -> queue_mutex_ in take_queue_locked(): the queue is
  // swapped out while the write order is held.
  Mutex write_mutex_;
  Bytes writing_ PYPORT_GUARDED_BY(write_mutex_);
  std::size_t written_ PYPORT_GUARDED_BY(write_mutex_) = 0;
  std::uint8_t batch_head_[5] PYPORT_GUARDED_BY(write_mutex_) = {};
  std::size_t batch_head_left_ PYPORT_GUARDED_BY(write_mutex_) = 0;
};

}  // namespace pyport::link
