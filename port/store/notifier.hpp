// Tells an event loop that something in the store has changed: one descriptor for each loop, and
// the tokens of the waits that are over.
//
// A wait is one-shot: who registers a token with a buffer gets it back once, when there is data, an
// end, or an error. The loop watches fd() for reading and calls take().
#pragma once

#include <cstdint>
#include <vector>

#include "core/result.hpp"
#include "sys/fd.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

class Notifier {
 public:
  // An eventfd (non-blocking, close-on-exec), where user code does not meet it.
  [[nodiscard]] static Result<UniqueFd> open_descriptor();
  explicit Notifier(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  ~Notifier() = default;
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Any thread; never blocks.
  void notify(std::uint64_t token) PYPORT_EXCLUDES(mutex_);
  // The tokens since the last call; resets the descriptor.
  [[nodiscard]] std::vector<std::uint64_t> take() PYPORT_EXCLUDES(mutex_);
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  UniqueFd fd_;
  Mutex mutex_;
  std::vector<std::uint64_t> ready_ PYPORT_GUARDED_BY(mutex_);
};

}  // namespace pyport::store
