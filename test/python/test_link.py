"""erlang.send and reply, and channels over the link, with fake_beam.py at its other end."""
from __future__ import annotations

import asyncio
import gc
import threading
import unittest
import weakref

from beam_case import command, given
from buffer_case import DEADLINE_S, Sleeper
from fake_beam import FRAME_BYTES_MAX, SMALL_BYTES_MAX
from test_buffer_async import run

import erlang
from erlang import ByteChannel, Channel, ChannelClosed, ProcessError, Ref, reply, send

WAIT_MS = DEADLINE_S * 1000


class Processes(unittest.TestCase):
    def setUp(self) -> None:
        self.beam = given[0]
        self.assertIsNone(self.beam.mailbox.try_receive())

    def test_a_message_arrives_as_it_was_sent(self) -> None:
        for term in (1, "text", b"\xff", None, [1, [2.5]], ("a", {"k": True}), erlang.atom("ok")):
            self.assertIsNone(send(self.beam.alive, term))
            found = self.beam.mailbox.receive(WAIT_MS)
            self.assertEqual(found, (self.beam.alive, "ok" if term == erlang.atom("ok") else term))

    def test_reply_is_true(self) -> None:
        self.assertIs(reply(self.beam.alive, 1), True)
        self.assertEqual(self.beam.mailbox.receive(WAIT_MS), (self.beam.alive, 1))

    def test_a_process_that_has_ended_is_an_error(self) -> None:
        for function in (reply, send):
            for _ in range(2):
                with self.assertRaisesRegex(
                    ProcessError, "^Failed to send message: process may not exist$"
                ):
                    function(self.beam.dead, 1)

    def test_a_process_that_ends_later_is_known_to_have_ended(self) -> None:
        send(self.beam.mortal, "first")
        send(self.beam.mortal, "end")
        found = [self.beam.mailbox.receive(WAIT_MS)[1] for _ in range(2)]
        self.assertEqual(found, ["first", "end"])
        with self.assertRaises(ProcessError):
            reply(self.beam.mortal, 1)

    def test_what_cannot_be_encoded_is_not_sent(self) -> None:
        with self.assertRaises(ValueError):
            send(self.beam.alive, "\ud800")
        send(self.beam.alive, "next")
        self.assertEqual(self.beam.mailbox.receive(WAIT_MS)[1], "next")

    def test_messages_of_a_thread_keep_their_order_also_with_those_of_channels(self) -> None:
        def work(name: str) -> None:
            for number in range(300):
                send(self.beam.alive, (name, number))
                self.beam.mailbox.send((name, -number))

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        found: dict[str, list[int]] = {name: [] for name in "abc"}
        for _ in range(1800):
            message = self.beam.mailbox.receive(WAIT_MS)
            name, number = message[1] if isinstance(message[1], tuple) else message
            found[name].append(number)
        for thread in threads:
            thread.join(DEADLINE_S)
        expected = [number for at in range(300) for number in (at, -at)]
        self.assertEqual(found, {name: expected for name in "abc"})

    def test_more_than_the_window_goes_through(self) -> None:
        megabyte = b"\xff" * 1_000_000

        def work() -> None:
            for number in range(12):
                send(self.beam.alive, (number, megabyte))

        sleeper = Sleeper(work)
        for number in range(12):
            _, (found, data) = self.beam.mailbox.receive(WAIT_MS)
            self.assertEqual((found, data == megabyte), (number, True))
        sleeper.result()

    def test_a_message_that_is_larger_than_a_packet_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "too large for Erlang"):
            send(self.beam.alive, bytes(FRAME_BYTES_MAX))
        with self.assertRaisesRegex(ValueError, "too large for Erlang"):
            self.beam.terms.send(bytes(FRAME_BYTES_MAX))
        with self.assertRaisesRegex(ValueError, "too large for Erlang"):
            self.beam.bytes.send_bytes(bytes(FRAME_BYTES_MAX))


class Channels(unittest.TestCase):
    def setUp(self) -> None:
        self.beam = given[0]
        self.assertIsNone(self.beam.mailbox.try_receive())

    def echo(self, term: object) -> object:
        self.beam.terms.send(term)
        return self.beam.terms.receive(WAIT_MS)

    def test_references_become_channels_of_their_kind(self) -> None:
        self.assertIsInstance(self.beam.terms, Channel)
        self.assertIsInstance(self.beam.bytes, ByteChannel)
        self.assertEqual(repr(self.beam.bytes), "<erlang.ByteChannel 3 open messages=0>")

    def test_a_channel_goes_out_as_its_reference_and_comes_back_as_itself(self) -> None:
        for sent in (self.beam.terms, self.beam.bytes, self.beam.mailbox):
            self.assertIs(self.echo(sent), sent)
        found = self.echo([self.beam.terms, {"raw": self.beam.bytes}])
        self.assertIs(found[0], self.beam.terms)
        self.assertIs(found[1]["raw"], self.beam.bytes)

    def test_another_reference_stays_one_and_is_no_channel(self) -> None:
        self.assertIsInstance(self.beam.foreign, Ref)
        self.assertEqual(self.echo(self.beam.foreign), self.beam.foreign)
        for kind, module in ((Channel, "py_channel"), (ByteChannel, "py_byte_channel")):
            with self.assertRaisesRegex(
                ValueError, rf"no channel of this process.* {module}:new\(#{{context => Ctx}}\)"
            ):
                kind(self.beam.foreign)

    def test_messages_go_both_ways(self) -> None:
        for term in (None, 0, "x" * 100_000, [None, ("a", 2)]):
            self.assertEqual(self.echo(term), term)
        for data in (b"", b"x", bytes(range(256)) * 1000):
            self.assertTrue(self.beam.bytes.send_bytes(data))
            self.assertEqual(self.beam.bytes.receive_bytes(WAIT_MS), data)

    def test_many_messages_keep_their_order(self) -> None:
        sleeper = Sleeper(lambda: [self.beam.terms.send(number) for number in range(3000)])
        found = [self.beam.terms.receive(WAIT_MS) for _ in range(3000)]
        self.assertEqual(found, list(range(3000)))
        sleeper.result()

    def test_asyncio_receives_what_comes_over_the_link(self) -> None:
        async def main():
            task = asyncio.ensure_future(self.beam.terms.async_receive())
            await asyncio.sleep(0)
            self.beam.terms.send("hello")
            return await task

        self.assertEqual(run(main()), "hello")

    def test_a_full_channel_waits_until_erlang_says_what_it_took(self) -> None:
        half = b"x" * (SMALL_BYTES_MAX // 2)
        command("credit off")
        self.assertTrue(self.beam.small.send_bytes(half))
        self.assertTrue(self.beam.small.send_bytes(half))
        with self.assertRaisesRegex(RuntimeError, "busy"):
            self.beam.small.send_bytes(b"x")
        with self.assertRaisesRegex(RuntimeError, "busy"):
            self.beam.small.send_bytes(b"x", timeout_ms=20)
        command("credit on")
        self.assertTrue(self.beam.small.send_bytes(b"x", timeout_ms=WAIT_MS))
        found = [self.beam.small.receive_bytes(WAIT_MS) for _ in range(3)]
        self.assertEqual(found, [half, half, b"x"])

    def test_a_reference_is_found_again_after_its_object_went(self) -> None:
        async_references = [self.beam.bytes]
        watch = weakref.ref(self.beam.bytes)
        self.beam.terms.send(self.beam.bytes)
        self.beam.bytes = None  # type: ignore[assignment] -- found again below
        del async_references
        gc.collect()
        self.assertIsNone(watch())
        self.beam.bytes = self.beam.terms.receive(WAIT_MS)
        self.assertIsInstance(self.beam.bytes, ByteChannel)
        self.assertTrue(self.beam.bytes.send_bytes(b"again"))
        self.assertEqual(self.beam.bytes.receive_bytes(WAIT_MS), b"again")

    def test_a_dropped_channel_is_read_to_its_end_and_its_reference_is_no_channel(self) -> None:
        doomed = self.beam.doomed
        doomed.send("last")
        command("drop 5")
        self.assertEqual(list(doomed), ["last"])
        with self.assertRaises(ChannelClosed):
            doomed.send(1)
        with self.assertRaises(TimeoutError):
            self.beam.terms.receive(1)  # nothing that came before the drop is left to be decoded
        found = self.echo(doomed)
        self.assertIsInstance(found, Ref)
        with self.assertRaisesRegex(ValueError, "dropped"):
            Channel(found)


if __name__ == "__main__":
    unittest.main()
