"""erlang.PyBuffer: every method, its errors, and its place among Python's file objects."""
from __future__ import annotations

import inspect
import io
import operator
import pickle
import random
import unittest
import weakref

from buffer_case import ended, known, stream

import erlang
from erlang import PyBuffer


class ReferenceCases(unittest.TestCase):
    """What code written for erlang_python relies on."""

    def test_read_returns_everything(self) -> None:
        self.assertEqual(known(b"hello world").read(), b"hello world")

    def test_read_of_a_size_returns_at_most_that(self) -> None:
        buffer = known(b"hello world")
        self.assertEqual(
            [buffer.read(5), buffer.read(100), buffer.read(5)], [b"hello", b" world", b""]
        )

    def test_readline_keeps_the_newline(self) -> None:
        buffer = known(b"one\ntwo\r\nrest")
        lines = [buffer.readline() for _ in range(4)]
        self.assertEqual(lines, [b"one\n", b"two\r\n", b"rest", b""])

    def test_readlines_gives_a_list(self) -> None:
        self.assertEqual(known(b"a\nb\nc").readlines(), [b"a\n", b"b\n", b"c"])

    def test_iteration_gives_lines(self) -> None:
        self.assertEqual(list(known(b"a\nb\nc\n")), [b"a\n", b"b\n", b"c\n"])

    def test_seek_and_tell_count_from_the_start(self) -> None:
        buffer = known(b"0123456789")
        self.assertEqual(buffer.seek(4), 4)
        self.assertEqual((buffer.tell(), buffer.read(2)), (4, b"45"))
        self.assertEqual((buffer.seek(1, 1), buffer.read(1)), (7, b"7"))
        self.assertEqual((buffer.seek(-1, 2), buffer.read()), (9, b"9"))

    def test_find_counts_from_the_position(self) -> None:
        buffer = known(b"GET /path HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(
            (buffer.find(b"G"), buffer.find(b"\r\n\r\n"), buffer.find(b"?")), (0, 27, -1)
        )
        buffer.read(4)
        self.assertEqual((buffer.find(b"/"), buffer.tell()), (0, 4))

    def test_read_nonblock_gives_what_is_there(self) -> None:
        buffer = stream(b"abc")
        self.assertEqual([buffer.read_nonblock(2), buffer.read_nonblock()], [b"ab", b"c"])
        self.assertEqual(buffer.read_nonblock(), b"")

    def test_readable_amount_and_len_are_the_unread_bytes(self) -> None:
        buffer = known(b"abcdef")
        buffer.read(2)
        self.assertEqual((buffer.readable_amount(), len(buffer)), (4, 4))

    def test_at_eof_after_the_last_byte_of_a_closed_buffer(self) -> None:
        buffer = ended(b"ab")
        self.assertFalse(buffer.at_eof())
        buffer.read(2)
        self.assertTrue(buffer.at_eof())

    def test_a_buffer_that_is_not_closed_is_not_at_its_end(self) -> None:
        buffer = stream(b"ab")
        buffer.read(2)
        self.assertFalse(buffer.at_eof())

    def test_memoryview_shows_the_unread_bytes_read_only(self) -> None:
        buffer = known(b"hello")
        buffer.read(1)
        with memoryview(buffer) as view:
            self.assertEqual((bytes(view), view.readonly, view.ndim), (b"ello", True, 1))
            self.assertEqual((view.format, view.itemsize, view.shape), ("B", 1, (4,)))
            with self.assertRaises(TypeError):
                operator.setitem(view, 0, 1)

    def test_it_is_readable_and_seekable_and_not_writable(self) -> None:
        buffer = known(b"")
        self.assertEqual(
            (buffer.readable(), buffer.writable(), buffer.seekable()), (True, False, True)
        )

    def test_close_keeps_what_was_buffered(self) -> None:
        buffer = stream(b"kept")
        self.assertFalse(buffer.closed)
        buffer.close()
        buffer.close()
        self.assertTrue(buffer.closed)
        self.assertEqual([buffer.read(), buffer.read(), buffer.read(3)], [b"kept", b"", b""])
        self.assertTrue(buffer.at_eof())

    def test_repr_tells_what_is_there(self) -> None:
        buffer = known(b"hello")
        self.assertEqual(repr(buffer), "<PyBuffer available=5 total=5 eof=False>")
        buffer.read(2)
        buffer._test_end()
        self.assertEqual(repr(buffer), "<PyBuffer available=3 total=5 eof=True>")

    def test_it_cannot_be_made_in_python(self) -> None:
        with self.assertRaisesRegex(TypeError, "cannot create 'erlang.PyBuffer' instances"):
            PyBuffer()


class Type(unittest.TestCase):
    def test_it_is_a_binary_file_by_name(self) -> None:
        self.assertIsInstance(known(b""), io.BufferedIOBase)
        self.assertTrue(issubclass(PyBuffer, io.IOBase))
        self.assertEqual((PyBuffer.__name__, PyBuffer.__module__), ("PyBuffer", "erlang"))

    def test_every_method_has_a_docstring_and_a_signature(self) -> None:
        for name, method in inspect.getmembers(PyBuffer, inspect.ismethoddescriptor):
            if not name.startswith("__"):
                self.assertTrue(inspect.getdoc(method), name)
                inspect.signature(method)

    def test_it_is_true_before_anything_came(self) -> None:
        self.assertTrue(stream())
        self.assertEqual(len(stream()), 0)

    def test_weak_references_die_with_it(self) -> None:
        buffer = known(b"x")
        died = []
        reference = weakref.ref(buffer, died.append)
        self.assertIs(reference(), buffer)
        del buffer
        self.assertEqual((reference(), len(died)), (None, 1))

    def test_it_is_not_pickled_nor_subclassed_nor_changed(self) -> None:
        with self.assertRaises(TypeError):
            pickle.dumps(known(b"x"))
        with self.assertRaises(TypeError):
            type("Sub", (PyBuffer,), {})
        with self.assertRaises(AttributeError):
            known(b"x").name = "x"

    def test_many_buffers_leave_nothing(self) -> None:
        died = []
        buffers = [known(b"x" * 100) for _ in range(1000)]
        watched = [weakref.ref(buffer, died.append) for buffer in buffers]
        views = [memoryview(buffer) for buffer in buffers]
        self.assertEqual(sum(len(buffer.read()) for buffer in buffers), 100_000)
        del buffers
        self.assertEqual(len(died), 0)  # each is held by its view
        del views
        self.assertEqual(len(died), len(watched))


class Reads(unittest.TestCase):
    def test_none_is_no_limit(self) -> None:
        for method in ("read", "readline", "read1", "read_nonblock", "readlines"):
            with self.subTest(method):
                found = getattr(known(b"abc"), method)(None)
                self.assertEqual(found, [b"abc"] if method == "readlines" else b"abc")

    def test_read_of_zero_bytes_takes_nothing(self) -> None:
        buffer = stream(b"ab")
        self.assertEqual([buffer.read(0), buffer.read1(0), buffer.read_nonblock(0)], [b""] * 3)
        self.assertEqual(buffer.tell(), 0)

    def test_a_limit_of_a_line_of_zero_is_none(self) -> None:
        self.assertEqual(known(b"abc\nd").readline(0), b"abc\n")
        self.assertEqual(known(b"abc\nd").readline(2), b"ab")
        self.assertEqual(known(b"abc\nd").readline(4), b"abc\n")

    def test_names_of_arguments(self) -> None:
        self.assertEqual(known(b"abc\nd").readline(size=2), b"ab")
        self.assertEqual(known(b"abc\nd").readlines(hint=1), [b"abc\n"])
        self.assertEqual(known(b"abc\nd").read_nonblock(size=2), b"ab")

    def test_wrong_arguments_name_themselves(self) -> None:
        buffer = known(b"abc")
        for method in ("read", "read1", "peek", "readline", "readlines", "read_nonblock", "aread"):
            with self.subTest(method):
                with self.assertRaisesRegex(
                    TypeError, rf"{method}\(\) .*integer or None, not 'str'"
                ):
                    getattr(buffer, method)("1")
                with self.assertRaisesRegex(TypeError, f"{method}.*at most 1 argument"):
                    getattr(buffer, method)(1, 2)
                with self.assertRaises(TypeError):
                    getattr(buffer, method)(wrong=1)
                with self.assertRaises(OverflowError):
                    getattr(buffer, method)(1 << 70)
        self.assertEqual(buffer.tell(), 0)

    def test_read1_gives_what_is_there_of_a_stream(self) -> None:
        self.assertEqual(stream(b"abc").read1(), b"abc")
        self.assertEqual(stream(b"abc").read1(2), b"ab")

    def test_peek_does_not_move(self) -> None:
        buffer = stream(b"abc")
        self.assertEqual((buffer.peek(2), buffer.peek(), buffer.peek(0)), (b"ab", b"abc", b"abc"))
        self.assertEqual(buffer.tell(), 0)
        self.assertEqual(ended(b"").peek(), b"")

    def test_peek_sees_what_follows_a_line(self) -> None:
        buffer = stream(b"one\ntwo\n")
        buffer.readline()
        self.assertEqual((buffer.peek(3), buffer.tell(), len(buffer)), (b"two", 4, 4))

    def test_readinto_fills_what_it_is_given(self) -> None:
        buffer = known(b"abcdef")
        target = bytearray(4)
        self.assertEqual((buffer.readinto(target), bytes(target)), (4, b"abcd"))
        self.assertEqual((buffer.readinto1(target), bytes(target)), (2, b"efcd"))
        self.assertEqual((buffer.readinto(target), buffer.readinto(bytearray())), (0, 0))
        for wrong in (b"bytes", "str", 3):
            with self.assertRaises(TypeError):
                buffer.readinto(wrong)

    def test_readinto_of_much_is_as_right_as_of_little(self) -> None:
        data = random.Random(1).randbytes(3_000_000)
        target = bytearray(len(data))
        self.assertEqual(known(data).readinto(target), len(data))
        self.assertEqual(target, data)

    def test_readlines_stops_after_the_hint(self) -> None:
        buffer = known(b"aa\nbb\ncc\n")
        self.assertEqual(buffer.readlines(4), [b"aa\n", b"bb\n"])
        self.assertEqual(buffer.readlines(0), [b"cc\n"])

    def test_a_mix_of_all_reads_loses_and_repeats_nothing(self) -> None:
        seed = random.Random(2)
        for round_number in range(30):
            lengths = [seed.choice((0, 3, 50, 5000, 70_000)) for _ in range(60)]
            data = b"".join(seed.randbytes(n).replace(b"\n", b"") + b"\n" for n in lengths)
            buffer = known(data) if round_number % 2 else ended(data)
            found, target = bytearray(), bytearray(5000)
            while not buffer.at_eof():
                self.assertEqual((buffer.tell(), len(buffer)), (len(found), len(data) - len(found)))
                match seed.randrange(7):
                    case 0:
                        found += buffer.read(seed.choice((1, 7, 4096, 100_000)))
                    case 1 | 2:
                        line = buffer.readline(seed.choice((-1, -1, 10)))
                        self.assertNotIn(b"\n", line[:-1])
                        found += line
                    case 3:
                        found += target[: buffer.readinto(target)]
                    case 4:
                        self.assertEqual(buffer.peek(9), data[len(found) : len(found) + 9])
                    case 5:
                        expected = data[len(found) :].find(b"\n")
                        self.assertEqual(buffer.find(b"\n"), expected)
                    case 6:
                        found += buffer.read_nonblock(seed.choice((3, 300)))
            self.assertEqual(found, data)


class Positions(unittest.TestCase):
    def test_find_is_that_of_bytes(self) -> None:
        data = b"abcabcabc"
        buffer = known(b"xx" + data)
        buffer.read(2)
        indexes = (None, 0, 1, 3, 9, 10, 100, -1, -3, -100)
        for sub in (b"abc", b"c", b"", b"x", ord("b"), bytearray(b"ca"), memoryview(b"bc")):
            for start in indexes:
                for end in indexes:
                    with self.subTest(sub=sub, start=start, end=end):
                        self.assertEqual(buffer.find(sub, start, end), data.find(sub, start, end))

    def test_find_refuses_what_is_no_bytes(self) -> None:
        for wrong in ("a", None, 1.5, ["a"]):
            with self.assertRaises(TypeError):
                known(b"abc").find(wrong)
        with self.assertRaises(ValueError):
            known(b"abc").find(256)
        with self.assertRaises(TypeError):
            known(b"abc").find()
        with self.assertRaises(TypeError):
            known(b"abc").find(b"a", "0")

    def test_find_in_much_content(self) -> None:
        data = bytes(3_000_000) + b"needle" + bytes(10)
        self.assertEqual(known(data).find(b"needle"), 3_000_000)

    def test_seek_says_what_is_wrong(self) -> None:
        for buffer, arguments, text in (
            (known(b"abc"), (-1,), "Negative seek position"),
            (known(b"abc"), (4,), "Cannot seek past available data"),
            (known(b"abc"), (4, 1), "Cannot seek past available data"),
            (known(b"abc"), (-1, 1), "Seek would go before start"),
            (stream(b"abc"), (0, 2), "Cannot seek from end before EOF"),
            (known(b"abc"), (1, 2), "Cannot seek past end"),
            (known(b"abc"), (-4, 2), "Seek would go before start"),
            (known(b"abc"), (0, 3), "Invalid whence value"),
            (known(b"abc"), (0, -1), "Invalid whence value"),
        ):
            with self.subTest(text), self.assertRaisesRegex(ValueError, text):
                buffer.seek(*arguments)
        with self.assertRaises(TypeError):
            known(b"abc").seek("0")
        with self.assertRaises(TypeError):
            known(b"abc").seek()

    def test_an_unfinished_announced_length_has_no_end_to_seek_from(self) -> None:
        with self.assertRaisesRegex(ValueError, "before EOF"):
            PyBuffer._test_create(b"abc", 10).seek(0, 2)

    def test_seek_after_lines_goes_where_it_says(self) -> None:
        buffer = known(b"one\ntwo\nthree\n")
        buffer.readline()
        self.assertEqual(buffer.seek(2, io.SEEK_CUR), 6)
        self.assertEqual(buffer.readline(), b"o\n")
        self.assertEqual((buffer.seek(0), buffer.readline()), (0, b"one\n"))

    def test_what_was_read_of_a_large_stream_is_dropped_and_says_so(self) -> None:
        buffer = stream(b"", overflow_threshold=65536, window=65536)
        for _ in range(64):
            buffer._test_write(bytes(65536))
            self.assertEqual(len(buffer.read(65536)), 65536)
        with self.assertRaisesRegex(ValueError, "dropped.*retain => all"):
            buffer.seek(0)

    def test_a_large_buffer_of_known_length_keeps_everything(self) -> None:
        data = random.Random(3).randbytes(3_000_000)
        buffer = PyBuffer._test_create(data[:1_000_000], len(data), overflow_threshold=65536)
        buffer.read(1_000_000)
        buffer._test_write(data[1_000_000:])
        self.assertEqual(buffer.read(), data[1_000_000:])
        self.assertEqual((buffer.seek(0), buffer.read()), (0, data))


class Package(unittest.TestCase):
    def test_the_package_offers_it(self) -> None:
        self.assertIs(erlang.PyBuffer, PyBuffer)
        self.assertIn("PyBuffer", erlang.__all__)


if __name__ == "__main__":
    unittest.main()
