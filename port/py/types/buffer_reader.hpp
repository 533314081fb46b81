// The reading side of one store::Buffer, as PyBuffer uses it. All members need the GIL, which is
// also what keeps the Python threads that read one buffer apart: it is let go of only while one
// sleeps, while much is searched for a newline, and while many bytes are copied that are already
// the caller's.
//
// The *claim* makes short lines and short reads cheap: some content that the store showed in one go
// and that is given out without asking again. The store's read position follows when the claim is
// used up, or by settle(); until then it is behind the one that Python sees.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/bytes.hpp"
#include "py/ref.hpp"
#include "store/buffer.hpp"

namespace pyport::py {

class BufferReader {
 public:
  using Need = store::Buffer::Need;
  enum class Mode { block, try_now };

  explicit BufferReader(std::shared_ptr<store::Buffer> buffer) noexcept;
  BufferReader(const BufferReader&) = delete;
  BufferReader& operator=(const BufferReader&) = delete;
  ~BufferReader() = default;

  [[nodiscard]] store::Buffer& store() const noexcept { return *buffer_; }
  // Owners: the PyBuffer and the registry, a Pin, or a wait.
  [[nodiscard]] const std::shared_ptr<store::Buffer>& shared() const noexcept { return buffer_; }

  // These return new bytes objects (b'' at the end of the content), or null with an exception set:
  // OSError where a content that was cut off ends, KeyboardInterrupt. With Mode::try_now they
  // return None instead of sleeping. `max` 0 is no limit for lines; read() wants more than 0.
  [[nodiscard]] PyObject* read(std::size_t max, Mode mode) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* read_all(Mode mode) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* read_line(std::size_t max, Mode mode) PYPORT_REQUIRES(gil);
  // What is there, at most `max` (0: all of it).
  [[nodiscard]] PyObject* read_there(std::size_t max) PYPORT_REQUIRES(gil);
  // The next bytes, at most `max`, without moving.
  [[nodiscard]] PyObject* peek(std::size_t max) PYPORT_REQUIRES(gil);
  // The number of bytes, 0 at the end, -1: an exception is set.
  [[nodiscard]] Py_ssize_t read_into(std::span<std::uint8_t> to) PYPORT_REQUIRES(gil);

  // Buffer::add_waiter().
  void add_waiter(const std::shared_ptr<store::Notifier>& notifier,
                  std::uint64_t token,
                  Need need,
                  std::size_t max) PYPORT_REQUIRES(gil);

  // Moves there. False: that was dropped, or is not yet there.
  [[nodiscard]] bool seek(std::uint64_t to) PYPORT_REQUIRES(gil);
  // Ends the claim: the store's read position is the one that Python sees.
  void settle() PYPORT_REQUIRES(gil);
  // As Python sees it, claim or not.
  [[nodiscard]] store::Buffer::Position position() PYPORT_REQUIRES(gil);
  // No more bytes come.
  [[nodiscard]] bool complete(const store::Buffer::Position& at) const noexcept;
  // Sets the OSError for a content that was cut off. False: it was not, and nothing is set.
  [[nodiscard]] bool raise_if_cut_off(const store::Buffer::Position& at) const PYPORT_REQUIRES(gil);

 private:
  enum class Readiness { ready, ended, would_block, failed };

  [[nodiscard]] Readiness await(Need need, std::size_t max, Mode mode) PYPORT_REQUIRES(gil);
  // Ends the claim, and looks for a newline without the GIL if there is much to look through: what
  // the store asks for it afterwards under the GIL is quick.
  void search_line(std::size_t max) PYPORT_REQUIRES(gil);
  [[nodiscard]] std::size_t claimed() const noexcept {
    return static_cast<std::size_t>(end_ - next_);
  }
  // The unread bytes, at most `max` (0: all). Nullopt: an exception is set.
  [[nodiscard]] std::optional<store::Buffer::Pin> look(std::size_t max) PYPORT_REQUIRES(gil);
  // A new claim; it is empty if nothing is there. False: an exception is set.
  [[nodiscard]] bool claim() PYPORT_REQUIRES(gil);
  // The length of the next line if the claim has all of it, else 0.
  [[nodiscard]] std::size_t line_in_claim(std::size_t max) const noexcept;
  // These consume. Without the claim: it was settled, `bytes` are what look() showed.
  void advance_claim(std::size_t bytes) PYPORT_REQUIRES(gil) {
    next_ += bytes;
    read_ += bytes;
    if (next_ == end_) end_claim();
  }
  void end_claim() PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* from_claim(std::size_t bytes) PYPORT_REQUIRES(gil);
  void advance(std::size_t bytes) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* from_store(ByteView bytes) PYPORT_REQUIRES(gil);
  // Up to `max` bytes, not 0. Null without an exception: there is nothing now.
  [[nodiscard]] PyObject* read_what_is_there(std::size_t max) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject* at_end() PYPORT_REQUIRES(gil);

  const std::shared_ptr<store::Buffer> buffer_;
  const std::size_t claim_bytes_;
  std::uint64_t read_;        // the position that Python sees
  store::Buffer::Pin claim_;  // keeps [next_, end_) where it is
  const std::uint8_t* next_ = nullptr;
  const std::uint8_t* end_ = nullptr;
};

}  // namespace pyport::py
