// Which processes of Erlang are alive, as far as Python wants to know, and how many bytes of
// messages may be on their way to them.
//
// A process is asked about once and watched from then on: a message to one that is known to live
// asks nobody. The BEAM says when it ends, so a process that ended before the answer to an earlier
// call was sent is known to be dead. kWatchedMax are remembered; the one that was used longest ago
// is forgotten.
//
// Any thread; only the two waits block, never with the GIL. The mutex is a leaf: events are told
// outside it.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/bytes.hpp"
#include "store/interrupt.hpp"
#include "store/wait_list.hpp"
#include "sys/clock.hpp"
#include "sys/mutex.hpp"

namespace pyport::store {

inline constexpr std::size_t kWatchedMax = 8192;
inline constexpr std::uint64_t kMessageWindowBytes = std::uint64_t{4} << 20;

// What the BEAM is asked. Implementations queue and never block; they may be called with the GIL.
class ProcessEvents {
 public:
  virtual ~ProcessEvents() = default;
  virtual void watch(std::uint64_t key, ByteView pid) noexcept = 0;
  virtual void unwatch(std::uint64_t key) noexcept = 0;
};

class Processes final : public Waitable, public std::enable_shared_from_this<Processes> {
 public:
  explicit Processes(ProcessEvents& events) noexcept : events_(events) {}

  enum class State : std::uint8_t { asked, alive, dead };
  // `pid` is the external term of a local pid without its version byte. Asks about it if nobody
  // did; then it is `asked` until the answer comes.
  [[nodiscard]] State look(ByteView pid) PYPORT_EXCLUDES(mutex_);
  // Blocks until look() would not say `asked` (ready).
  Wait wait(ByteView pid,
            TimePoint until,
            InterruptPoint* point,
            const std::shared_ptr<Sleep>& sleep) PYPORT_EXCLUDES(mutex_);
  // The BEAM says so.
  void heard(std::uint64_t key, bool alive) PYPORT_EXCLUDES(mutex_);

  // Takes room for a message of so many bytes; false: too much is on its way.
  [[nodiscard]] bool take_room(std::size_t bytes) PYPORT_EXCLUDES(mutex_);
  Wait wait_for_room(TimePoint until, InterruptPoint* point, const std::shared_ptr<Sleep>& sleep)
      PYPORT_EXCLUDES(mutex_);
  // The BEAM has taken messages of so many bytes in all.
  void credit(std::uint64_t taken) PYPORT_EXCLUDES(mutex_);

  void wake_all() noexcept override PYPORT_EXCLUDES(mutex_);

 private:
  struct Entry {
    std::uint64_t key;
    State state;
    std::list<std::string_view>::iterator used;  // its place in used_
  };
  // The key of the one that was used longest ago, which is known no more.
  [[nodiscard]] std::uint64_t forget_oldest_locked() PYPORT_REQUIRES(mutex_);
  template <class Over>
  Wait wait_until(const Over& over,
                  TimePoint until,
                  InterruptPoint* point,
                  const std::shared_ptr<Sleep>& sleep) PYPORT_EXCLUDES(mutex_);

  // Finds without making a string.
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;  // NOLINT(readability-identifier-naming) -- the standard names it
  };

  ProcessEvents& events_;
  Mutex mutex_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> by_pid_ PYPORT_GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, std::string_view> by_key_ PYPORT_GUARDED_BY(mutex_);
  std::list<std::string_view> used_ PYPORT_GUARDED_BY(mutex_);  // keys of by_pid_, last used first
  std::uint64_t last_key_ PYPORT_GUARDED_BY(mutex_) = 0;
  std::uint64_t sent_ PYPORT_GUARDED_BY(mutex_) = 0;
  std::uint64_t taken_ PYPORT_GUARDED_BY(mutex_) = 0;
  WaitList waiters_ PYPORT_GUARDED_BY(mutex_);
};

}  // namespace pyport::store
