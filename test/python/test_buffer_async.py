"""erlang.PyBuffer in asyncio: woken by the writer, without polling and without leaving anything."""
from __future__ import annotations

import asyncio
import gc
import os
import threading
import unittest
from pathlib import Path

from _erlang import Notifier
from buffer_case import DEADLINE_S, stream

import erlang._async as waits
from erlang import PyBuffer


def run(coroutine, **options):
    """asyncio.run with a deadline."""

    async def bounded():
        return await asyncio.wait_for(coroutine, DEADLINE_S)

    return asyncio.run(bounded(), **options)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def asleep(*tasks: asyncio.Task[bytes]) -> None:
    """Returns when each of the tasks waits, or is done."""
    pending = waits._waits_of(asyncio.get_running_loop())._pending
    while len(pending) < sum(not task.done() for task in tasks):
        await asyncio.sleep(0)


async def read_all_and_write(read, write):
    """Starts `read`, lets it fall asleep, then writes from another thread."""
    task = asyncio.ensure_future(read)
    await asleep(task)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        return await task
    finally:
        await asyncio.to_thread(writer.join)


class Async(unittest.TestCase):
    def test_what_is_there_is_read_without_waiting(self) -> None:
        async def main():
            buffer = PyBuffer._test_create(b"one\ntwo")
            return [await buffer.aread(2), await buffer.areadline(), await buffer.aread()]

        self.assertEqual(run(main()), [b"on", b"e\n", b"two"])

    def test_aread_waits_for_a_byte(self) -> None:
        buffer = stream()
        found = run(read_all_and_write(buffer.aread(10), lambda: buffer._test_write(b"abc")))
        self.assertEqual(found, b"abc")

    def test_aread_to_the_end_waits_for_it(self) -> None:
        buffer = stream(b"ab")

        def write() -> None:
            buffer._test_write(b"cd")
            buffer._test_end()

        self.assertEqual(run(read_all_and_write(buffer.aread(), write)), b"abcd")

    def test_areadline_waits_for_the_newline(self) -> None:
        buffer = stream(b"on")

        def write() -> None:
            buffer._test_write(b"e")
            buffer._test_write(b"\n")

        self.assertEqual(run(read_all_and_write(buffer.areadline(), write)), b"one\n")

    def test_async_for_gives_lines_until_the_end(self) -> None:
        buffer = stream()
        lines = [b"%d\n" % number for number in range(2000)]

        async def main():
            return [line async for line in buffer]

        def write() -> None:
            for line in lines:
                buffer._test_write(line)
            buffer._test_end()

        self.assertEqual(run(read_all_and_write(main(), write)), lines)

    def test_a_content_that_was_cut_off_is_an_error(self) -> None:
        for read in (PyBuffer.aread, PyBuffer.areadline, lambda buffer: buffer.aread(10)):
            buffer = stream()
            with self.assertRaises(BrokenPipeError):
                run(read_all_and_write(read(buffer), lambda: buffer._test_end(True)))

    def test_a_close_of_the_reader_ends_the_wait(self) -> None:
        buffer = stream(b"part")
        self.assertEqual(run(read_all_and_write(buffer.areadline(), buffer.close)), b"part")

    def test_the_loop_runs_other_tasks_meanwhile(self) -> None:
        buffer = stream()

        async def main():
            reader = asyncio.ensure_future(buffer.aread(10))
            await asleep(reader)
            buffer._test_write(b"from the same loop")
            return await reader

        self.assertEqual(run(main()), b"from the s")

    def test_several_tasks_share_a_buffer(self) -> None:
        buffer = stream()
        lines = [b"%d\n" % number for number in range(500)]

        async def collect():
            return [line async for line in buffer]

        async def main():
            return sum(await asyncio.gather(*(collect() for _ in range(5))), [])

        def write() -> None:
            for line in lines:
                buffer._test_write(line)
            buffer._test_end()

        self.assertEqual(sorted(run(read_all_and_write(main(), write))), sorted(lines))

    def test_a_cancelled_task_has_consumed_nothing_and_leaves_no_wait(self) -> None:
        async def main():
            buffer = stream(b"part of a line")
            for read in (buffer.areadline(), buffer.aread()):
                task = asyncio.ensure_future(read)
                await asleep(task)
                loop_waits = waits._waits_of(asyncio.get_running_loop())
                self.assertEqual(len(loop_waits._pending), 1)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertEqual(loop_waits._pending, {})
            buffer._test_write(b"\n")
            return await buffer.areadline()

        self.assertEqual(run(main()), b"part of a line\n")

    def test_one_of_two_waits_is_cancelled_and_the_other_one_is_not(self) -> None:
        async def main():
            buffer = stream()
            tasks = [asyncio.ensure_future(buffer.aread(1)) for _ in range(2)]
            await asleep(*tasks)
            tasks[0].cancel()
            await asyncio.wait(tasks[:1])
            buffer._test_write(b"x")
            return await tasks[1]

        self.assertEqual(run(main()), b"x")

    def test_loops_leave_no_descriptor_behind(self) -> None:
        def once() -> None:
            buffer = stream()
            run(read_all_and_write(buffer.aread(1), lambda: buffer._test_write(b"x")))

        once()
        gc.collect()
        before = descriptors()
        for _ in range(5):
            once()
        gc.collect()
        self.assertEqual(descriptors(), before)

    def test_a_loop_that_is_closed_over_a_wait_leaves_nothing(self) -> None:
        buffer = stream()
        gc.collect()
        before = descriptors()
        loop = asyncio.new_event_loop()
        task = loop.create_task(buffer.aread(1))
        loop.run_until_complete(asleep(task))
        task._log_destroy_pending = False
        loop.close()
        del loop, task
        gc.collect()
        self.assertEqual(descriptors(), before)
        buffer._test_write(b"x")
        self.assertEqual(buffer.read(1), b"x")

    def test_each_thread_has_its_own_loop(self) -> None:
        buffer = stream()
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(run(buffer.areadline()))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for number in range(3):
            buffer._test_write(b"%d\n" % number)
        for thread in threads:
            thread.join(DEADLINE_S)
        self.assertEqual(sorted(found), [b"0\n", b"1\n", b"2\n"])


class NotifierTest(unittest.TestCase):
    def test_its_descriptor_lies_where_user_code_does_not_meet_it(self) -> None:
        self.assertGreaterEqual(Notifier().fileno(), 900)

    def test_it_becomes_readable_and_gives_each_token_once(self) -> None:
        notifier, buffer = Notifier(), stream()
        buffer._add_waiter(notifier, 7, waits.SOME, 0)
        self.assertEqual(notifier.take(), [])
        buffer._test_write(b"x")
        self.assertEqual(len(os.read(notifier.fileno(), 8)), 8)
        self.assertEqual((notifier.take(), notifier.take()), ([7], []))
        buffer._test_write(b"y")
        self.assertEqual(notifier.take(), [])

    def test_a_wait_for_what_is_there_is_over_at_once(self) -> None:
        for need, data in ((waits.SOME, b"x"), (waits.LINE, b"x\n")):
            notifier, buffer = Notifier(), stream(data)
            buffer._add_waiter(notifier, need, need, 0)
            self.assertEqual(notifier.take(), [need])

    def test_a_wait_that_was_taken_back_is_not_told(self) -> None:
        notifier, buffer = Notifier(), stream()
        buffer._add_waiter(notifier, 1, waits.SOME, 0)
        buffer._add_waiter(notifier, 2, waits.SOME, 0)
        buffer._forget_waiter(notifier, 1)
        buffer._forget_waiter(notifier, 99)
        buffer._test_write(b"x")
        self.assertEqual(notifier.take(), [2])

    def test_it_may_go_before_the_wait_is_over(self) -> None:
        notifier, buffer = Notifier(), stream()
        buffer._add_waiter(notifier, 1, waits.SOME, 0)
        del notifier
        gc.collect()
        buffer._test_write(b"x")
        self.assertEqual(buffer.read(1), b"x")

    def test_wrong_arguments_are_refused(self) -> None:
        notifier, buffer = Notifier(), stream()
        with self.assertRaises(TypeError):
            buffer._add_waiter(object(), 1, waits.SOME, 0)
        with self.assertRaises(ValueError):
            buffer._add_waiter(notifier, 1, 3, 0)
        with self.assertRaises(TypeError):
            buffer._add_waiter(notifier, 1)
        with self.assertRaises(TypeError):
            Notifier(1)


if __name__ == "__main__":
    unittest.main()
