"""erlang.buffers: what waitress's classes do, and waitress itself on top of them."""

from __future__ import annotations

import http.client
import importlib
import importlib.util
import io
import random
import sys
import tempfile
import threading
import unittest
from typing import Any

from erlang import buffers

DEBIAN_PYTHON = "/usr/bin/python3"
WAITRESS = importlib.util.find_spec("waitress") is not None
# scripts/bootstrap installs it for Debian's Python; another one may come without.
WITHOUT_WAITRESS = not WAITRESS and sys.executable != DEBIAN_PYTHON


def in_memory() -> Any:
    return buffers.BytesIOBasedBuffer()


def in_file() -> Any:
    return buffers.TempfileBasedBuffer()


class TheFileBasedKinds(unittest.TestCase):
    def each(self) -> Any:
        for make in (in_memory, in_file):
            with self.subTest(kind=make.__name__):
                buffer = make()
                yield buffer
                buffer.close()

    def test_what_is_appended_is_got_in_order_and_stays_without_skip(self) -> None:
        for buffer in self.each():
            buffer.append(b"Hello, ")
            buffer.append(b"World!")
            self.assertEqual((buffer.get(), len(buffer)), (b"Hello, World!", 13))
            self.assertEqual((buffer.get(5, skip=True), len(buffer)), (b"Hello", 8))
            self.assertEqual(buffer.get(), b", World!")

    def test_append_after_get_does_not_move_the_position(self) -> None:
        for buffer in self.each():
            buffer.append(b"abc")
            self.assertEqual(buffer.get(1, True), b"a")
            buffer.append(b"def")
            self.assertEqual(buffer.get(-1, True), b"bcdef")
            self.assertEqual((buffer.get(), len(buffer)), (b"", 0))

    def test_skip_takes_without_reading_and_refuses_more_than_there_is(self) -> None:
        for buffer in self.each():
            buffer.append(b"0123456789")
            buffer.skip(4)
            self.assertEqual((buffer.get(2), len(buffer)), (b"45", 6))
            with self.assertRaisesRegex(ValueError, "Can't skip 7 bytes in buffer of 6 bytes"):
                buffer.skip(7)
            self.assertEqual(len(buffer), 6)

    def test_prune_keeps_what_was_not_taken(self) -> None:
        for buffer in self.each():
            buffer.append(b"x" * 300_000 + b"rest")
            buffer.skip(300_000)
            before = buffer.getfile()
            buffer.prune()
            self.assertIsNot(buffer.getfile(), before)
            self.assertEqual((buffer.get(), len(buffer)), (b"rest", 4))
            buffer.append(b"!")
            self.assertEqual(buffer.get(-1, True), b"rest!")

    def test_prune_of_an_empty_buffer_keeps_its_file(self) -> None:
        for buffer in self.each():
            before = buffer.getfile()
            buffer.prune()
            self.assertIs(buffer.getfile(), before)

    def test_a_copy_is_independent_and_has_the_position_of_the_original(self) -> None:
        for buffer in self.each():
            buffer.append(b"0123456789")
            buffer.skip(3)
            for kind in (buffers.BytesIOBasedBuffer, buffers.TempfileBasedBuffer):
                copy = kind(from_buffer=buffer)
                self.assertEqual((copy.get(), len(copy)), (b"3456789", 7))
                buffer.append(b"x")
                self.assertEqual(len(copy), 7)
                self.assertEqual(copy.getfile().tell(), 3)
                buffer = copy

    def test_it_is_true_also_when_empty(self) -> None:
        for buffer in self.each():
            self.assertTrue(buffer)
            self.assertEqual(len(buffer), 0)

    def test_close_forgets_what_is_left(self) -> None:
        for buffer in self.each():
            buffer.append(b"abc")
            buffer.close()
            self.assertEqual(len(buffer), 0)
            with self.assertRaises(ValueError):
                buffer.get()

    def test_any_file_object_can_be_wrapped(self) -> None:
        buffer = buffers.FileBasedBuffer(io.BytesIO())
        buffer.append(b"abc")
        self.assertEqual((buffer.get(2, True), buffer.get(), len(buffer)), (b"ab", b"c", 1))
        with self.assertRaises(NotImplementedError):
            buffer.newfile()

    def test_getfile_can_be_a_wsgi_input(self) -> None:
        for buffer in self.each():
            buffer.append(b"one\ntwo\nthree")
            file = buffer.getfile()
            self.assertEqual(file.readline(), b"one\n")
            self.assertEqual(file.readlines(), [b"two\n", b"three"])
            file.seek(0)
            self.assertEqual(list(file), [b"one\n", b"two\n", b"three"])
            file.seek(4)
            self.assertEqual(io.TextIOWrapper(io.BufferedReader(file)).read(), "two\nthree")


class BufferFile(unittest.TestCase):
    def test_it_is_written_at_its_end_only(self) -> None:
        file = buffers.BufferFile(-1)
        self.assertEqual(file.write(b"abc"), 3)
        file.seek(1)
        with self.assertRaises(io.UnsupportedOperation):
            file.write(b"x")
        file.seek(0, io.SEEK_END)
        file.write(b"d")
        file.seek(0)
        self.assertEqual(file.read(), b"abcd")

    def test_wrong_arguments_name_what_is_accepted(self) -> None:
        file = buffers.BufferFile(-1)
        with self.assertRaises(TypeError):
            file.write("text")
        with self.assertRaises(TypeError):
            file.append(None)
        with self.assertRaises(ValueError):
            file.seek(-1)
        with self.assertRaises(ValueError):
            file.seek(1)
        with self.assertRaises(ValueError):
            file.seek(0, 7)
        with self.assertRaises(TypeError):
            buffers.BufferFile("memory")
        with self.assertRaises(ValueError):
            buffers.BufferFile(-2)

    def test_nothing_works_after_close(self) -> None:
        file = buffers.BufferFile(-1)
        file.write(b"abc")
        file.close()
        file.close()
        self.assertTrue(file.closed)
        for call in (file.read, file.tell, file.readline, lambda: file.write(b""), file.seekable):
            with self.assertRaises(ValueError):
                call()

    def test_a_full_megabyte_moves_to_a_file_at_its_threshold(self) -> None:
        file = buffers.BufferFile(1 << 16)
        block = bytes(range(256)) * 64
        for _ in range(64):
            file.append(block)
        self.assertEqual(file.read(), block * 64)


class Overflow(unittest.TestCase):
    def test_content_moves_from_bytes_to_memory_to_a_file(self) -> None:
        buffer = buffers.OverflowableBuffer(20_000)
        self.assertFalse(buffer)
        buffer.append(b"x" * (buffers.STRBUF_LIMIT - 1))
        self.assertIsNone(buffer.buf)
        buffer.append(b"y")
        self.assertIsInstance(buffer.buf, buffers.BytesIOBasedBuffer)
        self.assertFalse(buffer.overflowed)
        buffer.append(b"z" * 20_000)
        self.assertIsInstance(buffer.buf, buffers.TempfileBasedBuffer)
        self.assertTrue(buffer.overflowed)
        self.assertEqual(buffer.get(-1, True)[-20_001:-19_999], b"yz")

    def test_prune_returns_to_memory_below_the_threshold(self) -> None:
        buffer = buffers.OverflowableBuffer(10_000)
        buffer.append(b"x" * 9_999 + b"rest")
        self.assertTrue(buffer.overflowed)
        buffer.skip(9_999)
        buffer.prune()
        self.assertFalse(buffer.overflowed)
        self.assertEqual((buffer.get(), len(buffer)), (b"rest", 4))

    def test_a_small_buffer_gives_all_it_has_without_skip(self) -> None:
        buffer = buffers.OverflowableBuffer(10_000)
        buffer.append(b"abc")
        self.assertEqual(buffer.get(1), b"abc")
        self.assertEqual(buffer.get(1, True), b"a")
        self.assertEqual(buffer.get(1), b"b")


class ReadOnly(unittest.TestCase):
    def test_prepare_says_what_is_left_and_get_never_exceeds_it(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"0123456789")
            file.seek(2)
            buffer = buffers.ReadOnlyFileBasedBuffer(file)
            self.assertEqual(buffer.prepare(), 8)
            self.assertEqual(buffer.prepare(5), 5)
            self.assertEqual((buffer.get(), len(buffer)), (b"23456", 5))
            self.assertEqual((buffer.get(100, True), len(buffer)), (b"23456", 0))
            self.assertEqual(buffer.get(), b"")
            with self.assertRaises(NotImplementedError):
                buffer.append(b"x")

    def test_it_lends_the_files_seek_and_iterates_in_blocks(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"x" * 70_000)
            file.seek(0)
            buffer = buffers.ReadOnlyFileBasedBuffer(file)
            self.assertTrue(buffer.seekable())
            self.assertEqual([len(block) for block in buffer], [32768, 32768, 4464])
            self.assertEqual(buffer.seek(69_999), 69_999)
            self.assertEqual((buffer.tell(), next(buffer)), (69_999, b"x"))

    def test_a_stream_that_cannot_seek_can_be_iterated(self) -> None:
        class Stream:
            def __init__(self) -> None:
                self.blocks = [b"one", b"two"]

            def read(self, size: int) -> bytes:
                return self.blocks.pop(0) if self.blocks else b""

        buffer = buffers.ReadOnlyFileBasedBuffer(Stream(), block_size=3)
        self.assertEqual(buffer.prepare(), 0)
        self.assertFalse(hasattr(buffer, "seek"))
        self.assertEqual(list(buffer), [b"one", b"two"])
        buffer.close()


@unittest.skipIf(WITHOUT_WAITRESS, "this Python has no waitress")
class BesideWaitress(unittest.TestCase):
    def test_random_operations_give_the_same_in_both(self) -> None:
        theirs = importlib.import_module("waitress.buffers")
        self.assertEqual(buffers.COPY_BYTES, theirs.COPY_BYTES)
        self.assertEqual(buffers.STRBUF_LIMIT, theirs.STRBUF_LIMIT)
        for seed in range(200):
            with self.subTest(seed=seed):
                dice = random.Random(seed)
                kind = dice.choice(
                    ["BytesIOBasedBuffer", "TempfileBasedBuffer", "OverflowableBuffer"]
                )
                arguments = [dice.choice([1, 9_000, 40_000])] if kind[0] == "O" else []
                pair = [getattr(module, kind)(*arguments) for module in (buffers, theirs)]
                for _ in range(60):
                    self.assertEqual(*self.step(dice, pair))
                for buffer in pair:
                    buffer.close()

    def step(self, dice: random.Random, pair: list[Any]) -> list[Any]:
        """One operation on both; what it answered, and the state after it."""
        size = dice.choice([0, 1, 100, 5_000, 9_000])
        operation = dice.choice(["append", "append", "get", "take", "skip", "file"])
        block = dice.randbytes(size)

        def run(buffer: Any) -> Any:
            match operation:
                case "append":
                    buffer.append(block)
                case "get":
                    return buffer.get(dice_size)
                case "take":
                    return buffer.get(dice_size, True)
                case "skip" if len(buffer) >= size:
                    buffer.skip(size, allow_prune)
                case "file":
                    return buffer.getfile().tell()
            return None

        dice_size = dice.choice([-1, size])
        allow_prune = dice.random() < 0.5
        return [
            (run(buffer), len(buffer), bool(buffer), getattr(buffer, "overflowed", None))
            for buffer in pair
        ]

    def test_waitress_serves_with_these_buffers(self) -> None:
        loaded = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "waitress"}
        for name in loaded:
            del sys.modules[name]
        sys.modules["waitress.buffers"] = buffers
        try:
            self.serve(importlib.import_module("waitress.server"))
        finally:
            for name in [n for n in sys.modules if n.split(".")[0] == "waitress"]:
                del sys.modules[name]
            sys.modules.update(loaded)

    def serve(self, waitress: Any) -> None:
        kinds: list[str] = []

        def application(environ: dict[str, Any], start_response: Any) -> Any:
            body = environ["wsgi.input"]
            kinds.append(type(body).__name__)
            start_response("200 OK", [("Content-Type", "application/octet-stream")])
            if environ["PATH_INFO"] == "/file":
                file = tempfile.TemporaryFile()
                file.write(b"f" * 100_000)
                file.seek(0)
                return environ["wsgi.file_wrapper"](file)
            return [body.read()[::-1]]

        server = waitress.create_server(
            application,
            host="127.0.0.1",
            port=0,
            inbuf_overflow=65536,
            outbuf_overflow=65536,
            clear_untrusted_proxy_headers=True,
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.effective_port, timeout=20)
            for size in (10, 20_000, 1_000_000):
                content = random.Random(size).randbytes(size)
                connection.request("POST", "/", content)
                self.assertEqual(connection.getresponse().read(), content[::-1])
            connection.request("GET", "/file")
            self.assertEqual(connection.getresponse().read(), b"f" * 100_000)
            connection.close()
        finally:
            # The loop ends when nothing is left for it to watch.
            server.trigger.pull_trigger(lambda: server.asyncore.close_all(server._map))
            thread.join(20)
            server.task_dispatcher.shutdown()
        self.assertFalse(thread.is_alive())
        self.assertIn("BufferFile", kinds)
