"""Threads that wait for messages and for room, interrupts, and fork()."""
from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import unittest

from buffer_case import DEADLINE_S, Sleeper
from channel_case import byte_channel, channel, put, term

from erlang import ChannelClosed


class Stopped(Exception):
    """What one thread raises in another."""


def stop(thread: threading.Thread) -> None:
    ident = ctypes.c_ulong(thread.ident)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Stopped))


class Waiting(unittest.TestCase):
    def test_a_receiver_gets_the_message_that_comes(self) -> None:
        for timeout_ms in (-1, 10_000):
            ch = channel()
            sleeper = Sleeper(ch.receive, timeout_ms)
            put(ch, "hello")
            self.assertEqual(sleeper.result(), "hello")

    def test_bytes_too(self) -> None:
        ch = byte_channel()
        sleeper = Sleeper(ch.receive_bytes)
        ch._test_put(b"")
        self.assertEqual(sleeper.result(), b"")

    def test_the_end_wakes_every_receiver(self) -> None:
        ch = channel()
        sleepers = [Sleeper(ch.receive) for _ in range(50)]
        ch._test_end()
        for sleeper in sleepers:
            with self.assertRaises(ChannelClosed):
                sleeper.result()

    def test_the_end_wakes_fifty_receivers_and_each_message_goes_to_one(self) -> None:
        ch = channel()
        sleepers = [Sleeper(list, ch) for _ in range(50)]
        put(ch, *range(2000))
        ch._test_end()
        found = [message for sleeper in sleepers for message in sleeper.result()]
        self.assertEqual(sorted(found), list(range(2000)))

    def test_receivers_that_time_out_lose_nothing(self) -> None:
        ch, found = channel(), []

        def receive() -> None:
            while True:
                try:
                    found.append(ch.receive(1))
                except TimeoutError:
                    continue
                except ChannelClosed:
                    return

        sleepers = [Sleeper(receive) for _ in range(8)]
        for number in range(2000):
            put(ch, number)
        ch._test_end()
        for sleeper in sleepers:
            sleeper.result()
        self.assertEqual(sorted(found), list(range(2000)))

    def test_one_receiver_sees_the_order_while_messages_come(self) -> None:
        ch = channel()
        sleeper = Sleeper(list, ch)
        for number in range(5000):
            put(ch, number)
        ch._test_end()
        self.assertEqual(sleeper.result(), list(range(5000)))

    def test_a_close_of_python_ends_a_receiver_when_erlang_has_ended_too(self) -> None:
        ch = channel()
        sleeper = Sleeper(ch.receive)
        ch.close()
        put(ch, "sent before")
        ch._test_end()
        self.assertEqual(sleeper.result(), "sent before")

    def test_a_sender_waits_for_room(self) -> None:
        for timeout_ms in (-1, 10_000):
            ch = channel(max_size=3)
            ch.send(1)
            sleeper = Sleeper(ch.send, 2, timeout_ms)
            ch._test_take(3)
            sleeper.result()
            self.assertEqual(ch._test_sent(), [b"\x83a\x01", b"\x83a\x02"])

    def test_senders_of_bytes_wait_for_room_and_keep_to_it(self) -> None:
        ch = byte_channel(max_size=10)
        sleepers = [Sleeper(ch.send_bytes, bytes([number]) * 5, -1) for number in range(20)]
        taken, sent = 0, []
        while len(sent) < 20:
            new = ch._test_sent()
            self.assertLessEqual(sum(map(len, new)), 10)
            sent += new
            taken += sum(map(len, new))
            ch._test_take(taken)
        for sleeper in sleepers:
            self.assertTrue(sleeper.result())
        self.assertEqual(sorted(sent), [bytes([number]) * 5 for number in range(20)])

    def test_a_close_ends_the_wait_for_room(self) -> None:
        for end in ("close", "_test_end"):
            ch = channel(max_size=3)
            ch.send(1)
            sleepers = [Sleeper(ch.send, 2) for _ in range(10)]
            getattr(ch, end)()
            for sleeper in sleepers:
                with self.assertRaises(ChannelClosed):
                    sleeper.result()
            self.assertEqual(len(ch._test_sent()), 1)

    def test_a_thread_that_is_stopped_as_its_message_comes_leaves_it(self) -> None:
        for _ in range(50):
            ch = channel()
            sleeper = Sleeper(ch.receive)
            stop(sleeper)
            put(ch, "kept")
            with self.assertRaises(Stopped):
                sleeper.result()
            self.assertEqual(ch.try_receive(), "kept")

    def test_a_thread_that_is_stopped_as_its_room_comes_sends_nothing(self) -> None:
        for _ in range(50):
            ch = channel(max_size=3)
            ch.send(1)
            sleeper = Sleeper(ch.send, 2)
            stop(sleeper)
            ch._test_take(3)
            with self.assertRaises(Stopped):
                sleeper.result()
            self.assertTrue(ch.try_send(3))
            self.assertEqual(ch._test_sent(), [b"\x83a\x01", b"\x83a\x03"])

    def test_a_large_message_is_not_passed_by_small_ones(self) -> None:
        ch = byte_channel(max_size=10)
        ch.send_bytes(bytes(10))
        large = Sleeper(ch.send_bytes, bytes(9), -1)
        # Room for one byte: refused from the moment in which the large one waits.
        ch._test_take(1)
        small, deadline = 0, time.monotonic() + DEADLINE_S
        with self.assertRaisesRegex(RuntimeError, "busy"):
            while time.monotonic() < deadline:
                ch.send_bytes(b"s")
                small += 1
                ch._test_take(1 + small)
        ch._test_take(10 + small)
        self.assertTrue(large.result())

    def test_a_channel_that_is_waited_for_is_kept_alive(self) -> None:
        ch = channel()
        sleeper = Sleeper(ch.receive)
        references = sys.getrefcount(ch)
        put(ch, 1)
        self.assertEqual(sleeper.result(), 1)
        self.assertGreaterEqual(references, 3)


class Interrupted(unittest.TestCase):
    """On the main thread of the program, where signals arrive."""

    def interrupt_when(self, condition) -> threading.Thread:
        main = threading.main_thread().ident

        def work() -> None:
            deadline = threading.Event()
            while not condition() and not deadline.wait(0.001):
                pass
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def test_an_interrupt_ends_a_wait_and_takes_no_message(self) -> None:
        ch, begun = channel(), threading.Event()
        thread = self.interrupt_when(begun.is_set)
        with self.assertRaises(KeyboardInterrupt):
            begun.set()
            ch.receive()
        thread.join(DEADLINE_S)
        put(ch, "kept")
        self.assertEqual(ch.receive(), "kept")

    def test_an_interrupt_ends_a_wait_for_room_and_nothing_is_sent(self) -> None:
        ch, begun = channel(max_size=3), threading.Event()
        ch.send(1)
        thread = self.interrupt_when(begun.is_set)
        with self.assertRaises(KeyboardInterrupt):
            begun.set()
            ch.send(2)
        thread.join(DEADLINE_S)
        self.assertEqual(len(ch._test_sent()), 1)

    def test_an_interrupt_that_comes_together_with_a_message_leaves_it(self) -> None:
        main = threading.main_thread().ident
        for _ in range(20):
            ch, begun = channel(), threading.Event()

            def both(ch=ch, begun=begun) -> None:
                begun.wait(DEADLINE_S)
                signal.pthread_kill(main, signal.SIGINT)
                put(ch, "kept")

            thread = threading.Thread(target=both)
            thread.start()
            with self.assertRaises(KeyboardInterrupt):
                begun.set()
                ch.receive()
            thread.join(DEADLINE_S)
            self.assertEqual(ch.try_receive(), "kept")

    def in_handler(self, work, first, second):
        """What `work` gives in a handler that runs while this thread does it too, and here.

        `first` comes together with the signal, `second` when the handler is done.
        """
        found, begun, handled = [], threading.Event(), threading.Event()
        main = threading.main_thread().ident

        def handle(*_: object) -> None:
            found.append(work("handler"))
            handled.set()

        def drive() -> None:
            begun.wait(DEADLINE_S)
            signal.pthread_kill(main, signal.SIGUSR1)
            first()
            handled.wait(DEADLINE_S)
            second()

        before = signal.signal(signal.SIGUSR1, handle)
        thread = threading.Thread(target=drive)
        try:
            thread.start()
            begun.set()
            found.append(work("waiter"))
            thread.join(DEADLINE_S)
        finally:
            signal.signal(signal.SIGUSR1, before)
        return found

    def test_a_signal_handler_may_receive_while_its_thread_waits_to(self) -> None:
        for _ in range(20):
            ch = channel()
            found = self.in_handler(
                lambda _, ch=ch: ch.receive(DEADLINE_S * 500),
                lambda ch=ch: put(ch, "first"),
                lambda ch=ch: put(ch, "second"),
            )
            self.assertEqual(found, ["first", "second"])

    def test_a_signal_handler_may_send_while_its_thread_waits_to(self) -> None:
        for _ in range(20):
            ch = channel(max_size=13)
            ch.send("filler")
            self.in_handler(
                lambda who, ch=ch: ch.send(who, DEADLINE_S * 500),
                lambda ch=ch: ch._test_take(12),
                lambda ch=ch: ch._test_take(25),
            )
            self.assertEqual(ch._test_sent(), [term("filler"), term("handler"), term("waiter")])

    def test_a_signal_handler_runs_while_a_wait_goes_on(self) -> None:
        ch = channel()
        before = signal.signal(signal.SIGUSR1, lambda *_: put(ch, "from the handler"))
        try:
            main = threading.main_thread().ident
            thread = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGUSR1))
            thread.start()
            self.assertEqual(ch.receive(DEADLINE_S * 1000), "from the handler")
            thread.join(DEADLINE_S)
        finally:
            signal.signal(signal.SIGUSR1, before)


class Forked(unittest.TestCase):
    def in_child(self, function) -> bytes:
        """What `function` raises in a child made by fork(), as text."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                function()
                text = "nothing"
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            os.write(write, text.encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as answer:
            found = answer.read()
        os.waitpid(pid, 0)
        return found

    def test_a_child_can_neither_receive_nor_send(self) -> None:
        ch, raw = channel(1), byte_channel(b"1")
        for use in (
            ch.receive,
            ch.try_receive,
            lambda: next(ch),
            lambda: ch.send(1),
            lambda: ch.try_send(1),
            lambda: ch.closed,
            raw.receive_bytes,
            lambda: raw.send_bytes(b""),
        ):
            self.assertEqual(
                self.in_child(use),
                b"BrokenPipeError: [Errno 32] a channel cannot be used in a child made by fork()",
            )
        self.assertEqual((ch.receive(), raw.receive_bytes()), (1, b"1"))
        self.assertEqual((ch._test_sent(), raw._test_sent()), ([], []))

    def test_a_child_may_close_and_show_it_without_effect(self) -> None:
        ch = channel()
        self.assertEqual(self.in_child(ch.close), b"nothing")
        self.assertEqual(self.in_child(lambda: repr(ch)), b"nothing")
        self.assertFalse(ch.closed)


if __name__ == "__main__":
    unittest.main()
