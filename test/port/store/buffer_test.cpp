#include "store/buffer.hpp"

#include <string>

#include "fixture.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- a test
using store::Buffer;
using test::belongs;
using test::BufferFixture;
using test::kThreshold;
using test::kWindow;
using Need = Buffer::Need;
using Wait = Buffer::Wait;
using State = store::BufferState;

std::string text(const Buffer::Pin& pin) {
  return std::string(as_chars(pin.bytes()));
}

TEST_CASE("buffer: what was appended is taken in order, and never more than asked for") {
  BufferFixture f;
  f.buffer->append(as_bytes("hello "));
  f.buffer->append(as_bytes("world"));
  CHECK(text(f.buffer->take(7)) == "hello w");
  CHECK(text(f.buffer->take(0)) == "orld");
  CHECK(f.buffer->take(0).bytes().empty());
}

TEST_CASE("buffer: a reservation that is partly filled adds only what was filled") {
  BufferFixture f;
  auto room = f.buffer->reserve(100);
  REQUIRE(room.size() == 100);
  room[0] = 'x';
  f.buffer->commit(1);
  CHECK(f.buffer->position().written == 1);
  CHECK(text(f.buffer->take(0)) == "x");
}

TEST_CASE("buffer: a reservation that is given up leaves no trace") {
  BufferFixture f;
  REQUIRE_FALSE(f.buffer->reserve(5).empty());
  f.buffer->commit(0);
  f.buffer->append(as_bytes("ok"));
  CHECK(text(f.buffer->take(0)) == "ok");
}

TEST_CASE("buffer: bytes appended while a reservation is out follow it") {
  BufferFixture f;
  auto room = f.buffer->reserve(3);
  f.buffer->append(as_bytes("second"));
  f.buffer->append(as_bytes(" third"));
  CHECK(f.buffer->position().written == 0);
  std::copy_n("1st", 3, room.begin());
  f.buffer->commit(3);
  CHECK(text(f.buffer->take(0)) == "1stsecond third");
}

TEST_CASE("buffer: an end that comes while a reservation is out comes with its commit") {
  BufferFixture f;
  auto room = f.buffer->reserve(1);
  f.buffer->end(State::ended);
  CHECK(f.buffer->position().state == State::open);
  room[0] = 'x';
  f.buffer->commit(1);
  CHECK(f.buffer->position().state == State::ended);
  CHECK(text(f.buffer->take(0)) == "x");
}

TEST_CASE("buffer: bytes after the end are refused, and the first end stays") {
  BufferFixture f;
  f.buffer->end(State::ended);
  f.buffer->end(State::writer_died);
  CHECK(f.buffer->reserve(1).empty());
  f.buffer->append(as_bytes("late"));
  CHECK(f.buffer->position().written == 0);
  CHECK(f.buffer->position().state == State::ended);
}

TEST_CASE("buffer: peek shows everything at one address and moves nothing") {
  BufferFixture f;
  f.write(3 * kThreshold);  // beyond the heap block
  f.write(1000);
  const auto pin = f.buffer->peek(0).value();
  CHECK(pin.bytes().size() == 3 * kThreshold + 1000);
  CHECK(belongs(pin.bytes(), 0));
  CHECK(f.buffer->position().read == 0);
  CHECK(f.buffer->peek(10).value().bytes().size() == 10);
}

TEST_CASE("buffer: within the threshold every byte can be sought again") {
  BufferFixture f;
  f.write(kThreshold);
  REQUIRE(f.read(kThreshold));
  CHECK(f.buffer->position().kept == 0);
  REQUIRE(f.buffer->seek(0));
  CHECK(f.read(kThreshold));
  CHECK_FALSE(f.buffer->seek(kThreshold + 1));
}

TEST_CASE("buffer: beyond the threshold unread bytes stay and the others cannot be sought") {
  BufferFixture f;
  f.write(kThreshold);
  REQUIRE(f.read(100));
  f.write(10);
  CHECK_FALSE(f.buffer->seek(99));
  CHECK(f.buffer->seek(100));
  CHECK(f.read(kThreshold - 100 + 10));
}

TEST_CASE("buffer: with Retain::all every byte of a long content can be sought again") {
  BufferFixture f(BufferFixture::seekable());
  for (int i = 0; i < 40; ++i)
    f.write(10'000);
  CHECK(f.in_file());
  REQUIRE(f.read(400'000));
  CHECK(f.buffer->position().kept == 0);
  REQUIRE(f.buffer->seek(123));
  CHECK(f.read(400'000 - 123));
}

TEST_CASE("buffer: lines come whole, the last one without its newline") {
  BufferFixture f;
  f.buffer->append(as_bytes("one\ntwo\n\nrest"));
  CHECK(text(f.buffer->take_line(0)) == "one\n");
  CHECK(text(f.buffer->take_line(2)) == "tw");
  CHECK(text(f.buffer->take_line(0)) == "o\n");
  CHECK(text(f.buffer->take_line(0)) == "\n");
  CHECK(text(f.buffer->take_line(0)) == "rest");
  CHECK(text(f.buffer->take_line(0)).empty());
}

TEST_CASE("buffer: a line is found again after seeking back, and after reading over it") {
  BufferFixture f;
  f.buffer->append(as_bytes("abc\ndef\n"));
  CHECK(f.buffer->poll(Need::line, 0) == Wait::ready);
  CHECK(text(f.buffer->take(5)) == "abc\nd");
  CHECK(text(f.buffer->take_line(0)) == "ef\n");
  REQUIRE(f.buffer->seek(1));
  CHECK(text(f.buffer->take_line(0)) == "bc\n");
}

TEST_CASE("buffer: a line far behind a long stretch without one is found, and counted once") {
  BufferFixture f;
  const Bytes stretch(5 << 20, 'x');
  f.buffer->append(stretch);
  CHECK_FALSE(f.buffer->poll(Need::line, 0));
  f.buffer->append(stretch);
  f.buffer->append(as_bytes("\nnext\n"));
  CHECK(f.buffer->poll(Need::line, 0) == Wait::ready);
  CHECK(f.buffer->take_line(0).bytes().size() == 2 * stretch.size() + 1);
  CHECK(text(f.buffer->take_line(0)) == "next\n");
}

TEST_CASE("buffer: find looks only at unread bytes between its bounds") {
  BufferFixture f;
  f.buffer->append(as_bytes("..needle..needle"));
  CHECK(f.buffer->find(as_bytes("needle"), 0, SIZE_MAX) == 2);
  CHECK(f.buffer->find(as_bytes("needle"), 3, SIZE_MAX) == 10);
  CHECK_FALSE(f.buffer->find(as_bytes("needle"), 3, 15));
  CHECK(f.buffer->find(as_bytes("e"), 4, SIZE_MAX) == 4);
  CHECK_FALSE(f.buffer->find(as_bytes("e"), 17, SIZE_MAX));
  CHECK(f.buffer->find({}, 3, SIZE_MAX) == 3);
  static_cast<void>(f.buffer->take(3));
  CHECK(f.buffer->find(as_bytes("needle"), 0, SIZE_MAX) == 7);
}

TEST_CASE("buffer: a pin stays as it is across growth, ring, file, close and discard") {
  BufferFixture f;
  f.write(100);
  const auto heap = f.buffer->take(100);
  f.write(kThreshold);  // ring
  const auto ring = f.buffer->take(1000);
  f.write(kWindow);  // does not fit beside what is unread: file
  REQUIRE(f.in_file());
  const auto file = f.buffer->take(1000);
  REQUIRE(f.read(f.buffer->position().unread()));
  f.write(4 * kWindow);
  REQUIRE(f.read(4 * kWindow));
  f.buffer->end(State::ended);
  f.buffer->close_reader();
  f.buffer->discard_content();
  CHECK(belongs(heap.bytes(), 0));
  CHECK(belongs(ring.bytes(), 100));
  CHECK(belongs(file.bytes(), 1100));
}

TEST_CASE("buffer: pinned bytes of a ring are not written over") {
  BufferFixture f;
  f.write(kThreshold + 1);
  const auto pin = f.buffer->take(0);
  f.write(kWindow - (kThreshold + 1));  // all that is free
  CHECK_FALSE(f.in_file());
  REQUIRE(f.read(kWindow - (kThreshold + 1)));
  f.write(1000);  // the ring is full of the pin
  CHECK(belongs(pin.bytes(), 0));
  CHECK(f.read(1000));
}

TEST_CASE("buffer: a ring goes round many times without a file, in odd steps") {
  BufferFixture f;
  std::uint64_t written = 0;
  for (std::size_t step = 1; written < 20 * kWindow; step = step * 7 % 50'021) {
    const std::size_t count = std::min<std::size_t>(step, kWindow);
    f.write(count);
    written += count;
    REQUIRE(f.read(count));
  }
  CHECK_FALSE(f.in_file());
  CHECK(f.buffer->usage().memory_bytes == kWindow);
}

TEST_CASE("buffer: an announced length ends the content before the close") {
  BufferFixture f(BufferFixture::sized(5));
  CHECK_FALSE(f.buffer->poll(Need::end, 0));
  f.buffer->append(as_bytes("hello"));
  CHECK(f.wait(Need::end) == Wait::ready);
  CHECK(text(f.buffer->take(0)) == "hello");
  CHECK(f.wait(Need::some) == Wait::ended);
  f.buffer->end(State::writer_died);  // too late to cut anything off
  CHECK(f.buffer->position().state == State::ended);
}

TEST_CASE("buffer: an end before the announced length is the writer's death") {
  BufferFixture f(BufferFixture::sized(5));
  f.buffer->append(as_bytes("hell"));
  f.buffer->end(State::ended);
  CHECK(f.buffer->position().state == State::writer_died);
  CHECK(f.wait(Need::some) == Wait::ready);
  CHECK(f.wait(Need::end) == Wait::ended);
}

TEST_CASE("buffer: more than the announced length is refused, the length itself is kept") {
  BufferFixture f(BufferFixture::sized(5));
  f.buffer->append(as_bytes("hello!"));
  CHECK(f.buffer->position().state == State::too_large);
  CHECK(f.events.refusals() == std::vector{State::too_large});
  CHECK(f.wait(Need::end) == Wait::ended);
  CHECK(text(f.buffer->take(0)) == "hello");
}

TEST_CASE("buffer: more than bytes_max is refused once") {
  auto options = BufferFixture::small();
  options.bytes_max = 10;
  BufferFixture f(options);
  f.write(10);
  CHECK(f.buffer->position().state == State::open);
  CHECK(f.buffer->reserve(1).empty());
  f.buffer->append(as_bytes("x"));
  CHECK(f.events.refusals() == std::vector{State::too_large});
  CHECK(f.read(10));
}

TEST_CASE("buffer: an empty announced content is whole at once") {
  BufferFixture f(BufferFixture::sized(0));
  CHECK(f.wait(Need::end) == Wait::ready);
  CHECK(f.wait(Need::some) == Wait::ended);
}

TEST_CASE("buffer: what was buffered stays readable after the reader closed it") {
  BufferFixture f;
  f.write(10);
  f.buffer->close_reader();
  CHECK(f.buffer->position().reader_closed);
  CHECK(f.buffer->position().state == State::reader_closed);
  CHECK(f.events.refusals() == std::vector{State::reader_closed});
  CHECK(f.buffer->reserve(1).empty());
  CHECK(f.wait(Need::end) == Wait::ended);
  CHECK(f.read(10));
  CHECK(f.wait(Need::some) == Wait::ended);
}

TEST_CASE("buffer: a reservation that is out when the reader closes is dropped by its commit") {
  BufferFixture f;
  auto room = f.buffer->reserve(4);
  REQUIRE(room.size() == 4);
  f.buffer->close_reader();
  std::fill(room.begin(), room.end(), std::uint8_t{1});
  f.buffer->commit(4);
  CHECK(f.buffer->position().written == 0);
}

TEST_CASE("buffer: closing a whole content again tells the writer nothing") {
  BufferFixture f;
  f.buffer->end(State::ended);
  f.buffer->close_reader();
  CHECK(f.buffer->position().state == State::ended);
  CHECK(f.buffer->position().reader_closed);
  CHECK(f.events.refusals().empty());
}

TEST_CASE("buffer: discarding gives memory and file back, only when over and read") {
  BufferFixture f(BufferFixture::seekable());
  f.write(2 * kThreshold);
  REQUIRE(f.read(2 * kThreshold));
  f.buffer->discard_content();
  CHECK(f.budget.file_bytes() == 2 * kThreshold);
  f.buffer->end(State::ended);
  f.buffer->discard_content();
  CHECK(f.budget.file_bytes() == 0);
  CHECK(f.budget.memory_bytes() == 0);
  CHECK_FALSE(f.buffer->seek(0));
  CHECK(f.buffer->seek(2 * kThreshold));
}

TEST_CASE(
    "buffer: an announced length takes its memory at once, a length over the threshold none") {
  BufferFixture f(BufferFixture::sized(20'000));
  f.write(1);
  CHECK(f.buffer->usage().memory_bytes == 20'000);
  BufferFixture ring(BufferFixture::sized(kThreshold + 1));
  ring.write(1);
  CHECK(ring.buffer->usage().memory_bytes == kWindow);
}

}  // namespace
