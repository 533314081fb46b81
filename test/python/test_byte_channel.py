"""erlang.ByteChannel: every method and what it raises, without a BEAM."""
from __future__ import annotations

import array
import inspect
import unittest
import weakref

from channel_case import byte_channel, channel

from erlang import ByteChannel, ByteChannelClosed


class Receiving(unittest.TestCase):
    def test_boundaries_are_kept_and_nothing_is_a_message(self) -> None:
        messages = [b"", b"ab", b"", b"\x83a\x01", b"x" * 100_000, b""]
        ch = byte_channel(*messages)
        self.assertEqual([ch.receive_bytes() for _ in messages], messages)
        self.assertIsNone(ch.try_receive_bytes())

    def test_each_receiving_method_takes_the_next_message(self) -> None:
        ch = byte_channel(b"a", b"b", b"c", b"d")
        found = [ch.receive_bytes(), ch.try_receive_bytes(), next(ch), ch.receive_bytes(0)]
        self.assertEqual(found, [b"a", b"b", b"c", b"d"])

    def test_iteration_goes_on_after_an_empty_message(self) -> None:
        ch = byte_channel(b"", b"a", b"")
        ch._test_end()
        self.assertEqual(list(ch), [b"", b"a", b""])

    def test_a_timeout_is_a_timeout_error(self) -> None:
        ch = byte_channel()
        for timeout_ms in (0, 10):
            with self.assertRaisesRegex(TimeoutError, "^channel receive timeout$"):
                ch.receive_bytes(timeout_ms=timeout_ms)

    def test_closed_and_drained_is_an_error_of_its_own(self) -> None:
        ch = byte_channel(b"last")
        ch._test_end()
        self.assertEqual(ch.receive_bytes(), b"last")
        for receive in (ch.receive_bytes, ch.try_receive_bytes):
            with self.assertRaisesRegex(ByteChannelClosed, "^Channel has been closed$"):
                receive()

    def test_wrong_timeouts_are_refused_by_name(self) -> None:
        with self.assertRaisesRegex(ValueError, r"receive_bytes\(\) timeout_ms"):
            byte_channel().receive_bytes(-2)
        with self.assertRaisesRegex(TypeError, r"receive_bytes\(\) timeout_ms"):
            byte_channel().receive_bytes("1")


class Sending(unittest.TestCase):
    def test_bytes_in_any_form_go_out_as_they_are(self) -> None:
        ch = byte_channel()
        strided = memoryview(b"a-b-c-")[::2]
        numbers = memoryview(array.array("H", [0x6261]))
        for data in (b"ab", bytearray(b"cd"), memoryview(b"ef"), b"", strided, numbers):
            self.assertIs(ch.send_bytes(data), True)
        self.assertEqual(ch._test_sent(), [b"ab", b"cd", b"ef", b"", b"abc", b"ab"])

    def test_other_types_are_refused(self) -> None:
        ch = byte_channel()
        for wrong in ("text", 1, None, [1], array.array("B", b"ab")):
            with self.assertRaisesRegex(
                TypeError, "^data must be bytes, bytearray, or memoryview$"
            ):
                ch.send_bytes(wrong)
        self.assertEqual(ch._test_sent(), [])

    def test_a_released_view_is_refused(self) -> None:
        view = memoryview(b"ab")
        view.release()
        with self.assertRaises(ValueError):
            byte_channel().send_bytes(view)

    def test_without_room_it_is_busy_at_once(self) -> None:
        ch = byte_channel(max_size=4)
        ch.send_bytes(b"abc")
        with self.assertRaisesRegex(RuntimeError, r"^channel busy \(backpressure\)$"):
            ch.send_bytes(b"de")
        self.assertTrue(ch.send_bytes(b"d"))
        with self.assertRaisesRegex(RuntimeError, "busy"):
            ch.send_bytes(b"e", timeout_ms=10)
        ch._test_take(4)
        self.assertTrue(ch.send_bytes(b"efgh", timeout_ms=-1))
        self.assertEqual(ch._test_sent(), [b"abc", b"d", b"efgh"])

    def test_a_message_that_never_fits_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "of 5 bytes never fits.* max_size is 4"):
            byte_channel(max_size=4).send_bytes(b"abcde")

    def test_a_closed_channel_takes_nothing(self) -> None:
        for end in (ByteChannel.close, ByteChannel._test_end):
            ch = byte_channel()
            end(ch)
            with self.assertRaisesRegex(RuntimeError, "^channel closed$"):
                ch.send_bytes(b"x")
            self.assertEqual(ch._test_sent(), [])

    def test_the_data_is_free_again_while_and_after_it_is_sent(self) -> None:
        data = bytearray(b"abc")
        ch = byte_channel()
        ch.send_bytes(data)
        data.extend(b"more")
        self.assertEqual(ch._test_sent(), [b"abc"])


class TheObject(unittest.TestCase):
    def test_a_channel_of_a_channel_is_itself(self) -> None:
        ch = byte_channel()
        self.assertIs(ByteChannel(ch), ch)

    def test_other_things_are_no_channels(self) -> None:
        with self.assertRaisesRegex(TypeError, "^expected channel reference$"):
            ByteChannel(b"")
        with self.assertRaisesRegex(TypeError, "is a channel of terms: use it as erlang.Channel$"):
            ByteChannel(channel())

    def test_repr_tells_the_state(self) -> None:
        self.assertEqual(repr(byte_channel(b"")), "<erlang.ByteChannel 0 open messages=1>")

    def test_with_closes_at_the_end(self) -> None:
        with byte_channel() as ch:
            self.assertFalse(ch.closed)
        self.assertTrue(ch.closed)

    def test_it_goes_with_its_last_reference(self) -> None:
        ch = byte_channel(b"x" * 20_000_000)
        watch = weakref.ref(ch)
        del ch
        self.assertIsNone(watch())

    def test_methods_tell_their_signatures(self) -> None:
        signatures = [
            str(inspect.signature(getattr(ByteChannel, name)))
            for name in ("receive_bytes", "send_bytes")
        ]
        self.assertEqual(signatures, ["(self, /, timeout_ms=-1)", "(self, data, /, timeout_ms=0)"])

    def test_it_has_no_methods_of_the_other_kind(self) -> None:
        for name in ("receive", "send", "try_send", "try_receive", "async_receive"):
            self.assertFalse(hasattr(ByteChannel, name), name)


if __name__ == "__main__":
    unittest.main()
