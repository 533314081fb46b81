"""erlang.PyBuffer: how content ends or is cut off, views that outlive it, and reads that wait."""
from __future__ import annotations

import errno
import gc
import io
import random
import struct
import unittest

from buffer_case import Sleeper, cut_off, ended, known, stream

from erlang import PyBuffer


class LargeLines(unittest.TestCase):
    def test_threads_that_read_large_lines_get_each_whole_and_once(self) -> None:
        lines = [bytes([65 + number]) * 400_000 + b"\n" for number in range(20)]
        buffer = ended(b"".join(lines))
        sleepers = [Sleeper(lambda: list(iter(buffer.readline, b""))) for _ in range(4)]
        found = [line for sleeper in sleepers for line in sleeper.result()]
        self.assertTrue(sorted(found) == lines)


class Ends(unittest.TestCase):
    def test_an_announced_length_is_the_end(self) -> None:
        buffer = known(b"abc")
        self.assertEqual((buffer.read(), buffer.read(), buffer.readline()), (b"abc", b"", b""))
        self.assertTrue(buffer.at_eof())
        self.assertEqual(known(b"").read(), b"")

    def test_a_content_that_was_cut_off_gives_what_is_there_and_then_an_error(self) -> None:
        for method, found in (
            ("read", [b"ab\nc"]),
            ("readline", [b"ab\n", b"c"]),
            ("read1", [b"ab\nc"]),
            ("read_nonblock", [b"ab\nc"]),
            ("peek", []),
        ):
            with self.subTest(method):
                buffer = cut_off(b"ab\nc" if found else b"")
                for expected in found:
                    self.assertEqual(getattr(buffer, method)(100), expected)
                with self.assertRaises(BrokenPipeError) as caught:
                    getattr(buffer, method)(100)
                self.assertEqual(caught.exception.errno, errno.EPIPE)
                self.assertIn("cut off", str(caught.exception))

    def test_read_to_the_end_of_a_cut_off_content_consumes_nothing(self) -> None:
        buffer = cut_off(b"abc")
        with self.assertRaises(OSError):
            buffer.read()
        self.assertEqual(buffer.read(10), b"abc")

    def test_iteration_and_readinto_of_a_cut_off_content_fail_at_its_end(self) -> None:
        buffer = cut_off(b"a\nb")
        self.assertEqual([next(buffer), next(buffer)], [b"a\n", b"b"])
        with self.assertRaises(OSError):
            next(buffer)
        with self.assertRaises(OSError):
            buffer.readinto(bytearray(1))

    def test_an_end_before_the_announced_length_is_an_error(self) -> None:
        buffer = PyBuffer._test_create(b"abc", 10)
        buffer._test_end()
        with self.assertRaises(BrokenPipeError):
            buffer.read()

    def test_more_than_the_announced_length_is_an_error(self) -> None:
        buffer = PyBuffer._test_create(b"abc", 4)
        buffer._test_write(b"defg")
        with self.assertRaises(OSError) as caught:
            while buffer.read(10):
                pass
        self.assertEqual(caught.exception.errno, errno.EFBIG)

    def test_at_eof_of_a_cut_off_content_is_an_error_and_not_true(self) -> None:
        buffer = cut_off(b"a")
        self.assertFalse(buffer.at_eof())
        buffer.read(1)
        with self.assertRaises(OSError):
            buffer.at_eof()

    def test_what_python_closed_is_not_cut_off(self) -> None:
        buffer = cut_off(b"a")
        buffer.close()
        self.assertEqual([buffer.read(), buffer.read(1), buffer.readline()], [b"a", b"", b""])
        self.assertTrue(buffer.at_eof())

    def test_what_is_written_after_close_is_not_there(self) -> None:
        buffer = stream(b"a\n")
        buffer.readline()
        buffer.close()
        buffer._test_write(b"b\n")
        self.assertEqual((buffer.readline(), buffer.readable_amount()), (b"", 0))

    def test_close_in_the_middle_of_lines_keeps_the_rest(self) -> None:
        buffer = stream(b"a\nb\nc")
        buffer.readline()
        with buffer as entered:
            self.assertIs(entered, buffer)
        self.assertEqual((buffer.closed, list(buffer)), (True, [b"b\n", b"c"]))


class FileObject(unittest.TestCase):
    def test_what_only_a_writable_or_real_file_has_is_unsupported(self) -> None:
        buffer = known(b"abc")
        for call in (
            lambda: buffer.write(b"x"),
            lambda: buffer.writelines([b"x"]),
            lambda: buffer.truncate(),
            lambda: buffer.truncate(1),
            lambda: buffer.detach(),  # tidy: allow detached -- of io
            lambda: buffer.fileno(),
        ):
            with self.assertRaises(io.UnsupportedOperation):
                call()

    def test_the_rest_of_a_file_object(self) -> None:
        buffer = known(b"abc")
        self.assertIs(buffer.flush(), None)
        self.assertIs(buffer.isatty(), False)

    def test_a_length_that_is_no_number_is_refused(self) -> None:
        with self.assertRaises(TypeError):
            PyBuffer._test_create(b"", "10")
        with self.assertRaises(TypeError):
            PyBuffer._test_create("text")
        with self.assertRaises(ValueError):
            PyBuffer._test_create(b"", window=1000)


class Views(unittest.TestCase):
    def test_a_view_stays_as_it_is_while_the_buffer_grows_and_is_read_and_goes(self) -> None:
        data = random.Random(4).randbytes(10_000)
        buffer = stream(data, overflow_threshold=65536, window=65536)
        view = memoryview(buffer)
        for _ in range(100):
            buffer._test_write(bytes(10_000))
        self.assertEqual(len(buffer.read(1 << 20)) > 0, True)
        while len(buffer):
            buffer.read(1 << 20)
        buffer.close()
        del buffer
        gc.collect()
        self.assertEqual(view, data)

    def test_a_view_of_nothing_is_empty(self) -> None:
        with memoryview(stream()) as view:
            self.assertEqual((view.nbytes, bytes(view)), (0, b""))

    def test_a_writable_view_is_refused(self) -> None:
        for take in (lambda b: struct.pack_into("B", b, 0, 1), lambda b: known(b"x").readinto(b)):
            with self.assertRaises((BufferError, TypeError)):
                take(known(b"abc"))

    def test_a_view_after_lines_begins_at_the_position(self) -> None:
        buffer = known(b"one\ntwo\n")
        buffer.readline()
        with memoryview(buffer) as view:
            self.assertEqual(bytes(view), b"two\n")
        self.assertEqual(bytes(buffer), b"two\n")

    def test_several_views_at_once(self) -> None:
        buffer = stream(b"ab")
        first = memoryview(buffer)
        buffer._test_write(b"cd")
        second = memoryview(buffer)
        self.assertEqual((bytes(first), bytes(second)), (b"ab", b"abcd"))
        first.release()
        self.assertEqual(second[3], ord("d"))


class Blocking(unittest.TestCase):
    """Reads that wait; other threads run meanwhile."""

    def test_read_waits_for_a_byte(self) -> None:
        buffer = stream()
        sleeper = Sleeper(buffer.read, 100)
        buffer._test_write(b"abc")
        self.assertEqual(sleeper.result(), b"abc")

    def test_read_to_the_end_waits_for_it(self) -> None:
        buffer = stream(b"ab")
        sleeper = Sleeper(buffer.read)
        buffer._test_write(b"cd")
        buffer._test_end()
        self.assertEqual(sleeper.result(), b"abcd")

    def test_read_to_the_end_waits_for_the_announced_length_only(self) -> None:
        buffer = PyBuffer._test_create(b"ab", 4)
        sleeper = Sleeper(buffer.read)
        buffer._test_write(b"cd")
        self.assertEqual(sleeper.result(), b"abcd")

    def test_readline_waits_for_the_newline(self) -> None:
        buffer = stream(b"on")
        sleeper = Sleeper(buffer.readline)
        buffer._test_write(b"e")
        buffer._test_write(b"\ntwo")
        self.assertEqual(sleeper.result(), b"one\n")

    def test_a_close_of_the_writer_ends_every_wait(self) -> None:
        for method, found in (("read1", b""), ("readline", b""), ("read", b""), ("peek", b"")):
            with self.subTest(method):
                buffer = stream()
                sleeper = Sleeper(getattr(buffer, method))
                buffer._test_end()
                self.assertEqual(sleeper.result(), found)

    def test_a_close_of_the_reader_ends_every_wait(self) -> None:
        for method in ("read1", "readline", "read", "peek"):
            with self.subTest(method):
                buffer = stream(b"" if method in ("read1", "peek") else b"part")
                sleeper = Sleeper(getattr(buffer, method))
                buffer.close()
                self.assertEqual(sleeper.result(), b"" if method in ("read1", "peek") else b"part")

    def test_the_death_of_the_writer_ends_every_wait(self) -> None:
        for method in ("read1", "readline", "read", "peek"):
            with self.subTest(method):
                buffer = stream()
                sleeper = Sleeper(getattr(buffer, method))
                buffer._test_end(True)
                with self.assertRaises(BrokenPipeError):
                    sleeper.result()

    def test_threads_that_share_a_buffer_get_every_line_once(self) -> None:
        buffer = stream()
        sleepers = [Sleeper(list, buffer) for _ in range(4)]
        lines = [b"%d\n" % number for number in range(5000)]
        for at in range(0, len(lines), 10):
            buffer._test_write(b"".join(lines[at : at + 10]))
        buffer._test_end()
        found = [line for sleeper in sleepers for line in sleeper.result()]
        self.assertEqual(sorted(found), sorted(lines))

    def test_more_than_the_window_goes_through_while_it_is_read(self) -> None:
        data = random.Random(5).randbytes(1_000_000)
        buffer = stream(b"", overflow_threshold=65536, window=65536)
        sleeper = Sleeper(buffer.read)
        for at in range(0, len(data), 50_000):
            buffer._test_write(data[at : at + 50_000])
        buffer._test_end()
        self.assertEqual(sleeper.result(), data)

    def test_a_line_longer_than_the_window_is_one_line(self) -> None:
        line = b"x" * 500_000 + b"\n"
        buffer = stream(b"short\n", overflow_threshold=65536, window=65536)
        self.assertEqual(buffer.readline(), b"short\n")
        sleeper = Sleeper(buffer.readline)
        for at in range(0, len(line), 50_000):
            buffer._test_write(line[at : at + 50_000])
        self.assertEqual(sleeper.result(), line)


if __name__ == "__main__":
    unittest.main()
