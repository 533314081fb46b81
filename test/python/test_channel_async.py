"""Channels in asyncio: told of messages without polling, and nothing lost when tasks end."""
from __future__ import annotations

import asyncio
import gc
import selectors
import threading
import unittest

from _erlang import Notifier
from buffer_case import DEADLINE_S
from channel_case import DECODE_ERRORS, byte_channel, channel, put
from test_buffer_async import asleep, descriptors, run

import erlang._async as waits
from erlang import ByteChannelClosed, Channel, ChannelClosed


class Receiving(unittest.TestCase):
    def test_what_is_there_is_received_without_waiting(self) -> None:
        ch = channel(1, None, "x")

        async def main():
            return [await ch.async_receive() for _ in range(3)]

        self.assertEqual(run(main()), [1, None, "x"])

    def test_it_waits_for_a_message_of_another_thread(self) -> None:
        for message in ("hello", None):
            ch = channel()

            async def main(ch: Channel = ch, message: object = message):
                task = asyncio.ensure_future(ch.async_receive())
                await asleep(task)
                await asyncio.to_thread(put, ch, message)
                return await task

            self.assertEqual(run(main()), message)

    def test_bytes_too(self) -> None:
        ch = byte_channel(b"first")

        async def main():
            first = await ch.async_receive_bytes()
            task = asyncio.ensure_future(ch.async_receive_bytes())
            await asleep(task)
            ch._test_put(b"")
            ch._test_end()
            rest = [await task] + [message async for message in ch]
            with self.assertRaisesRegex(ByteChannelClosed, "^Channel has been closed$"):
                await ch.async_receive_bytes()
            return first, rest

        self.assertEqual(run(main()), (b"first", [b""]))

    def test_async_for_gives_everything_until_the_end(self) -> None:
        ch = channel()
        messages = [number if number % 3 else None for number in range(2000)]

        async def main():
            return [message async for message in ch]

        def send() -> None:
            put(ch, *messages)
            ch._test_end()

        sender = threading.Thread(target=send)
        sender.start()
        self.assertEqual(run(main()), messages)
        sender.join(DEADLINE_S)

    def test_the_end_is_an_error_of_its_own(self) -> None:
        ch = channel(1)
        ch._test_end()

        async def main():
            first = await ch.async_receive()
            with self.assertRaisesRegex(ChannelClosed, "^Channel has been closed$"):
                await ch.async_receive()
            return first

        self.assertEqual(run(main()), 1)

    def test_an_undecodable_message_is_an_error_for_that_message_only(self) -> None:
        async def main(ch: Channel, message: bytes, error: type[Exception]):
            task = asyncio.ensure_future(ch.async_receive())
            await asleep(task)
            ch._test_put(message)
            with self.assertRaises(error):
                await task
            put(ch, 2)
            return await ch.async_receive()

        for message, error in DECODE_ERRORS:
            self.assertEqual(run(main(channel(), message, error)), 2)

    def test_a_loop_with_another_selector_works_too(self) -> None:
        ch = channel()

        async def main():
            task = asyncio.ensure_future(ch.async_receive())
            await asleep(task)
            put(ch, 1)
            return await task

        for selector in (selectors.PollSelector, selectors.SelectSelector):
            loop = asyncio.SelectorEventLoop(selector())
            try:
                self.assertEqual(loop.run_until_complete(asyncio.wait_for(main(), 20)), 1)
            finally:
                loop.close()


class ManyTasks(unittest.TestCase):
    def test_each_message_goes_to_one_task(self) -> None:
        ch = channel()

        async def collect():
            return [message async for message in ch]

        async def main():
            tasks = [asyncio.ensure_future(collect()) for _ in range(5)]
            await asleep(*tasks)
            put(ch, *range(500))
            ch._test_end()
            return [message for found in await asyncio.gather(*tasks) for message in found]

        self.assertEqual(sorted(run(main())), list(range(500)))

    def test_a_close_while_they_wait_ends_all(self) -> None:
        ch = channel()

        async def main():
            tasks = [asyncio.ensure_future(ch.async_receive()) for _ in range(50)]
            await asleep(*tasks)
            ch._test_end()
            return await asyncio.gather(*tasks, return_exceptions=True)

        found = run(main())
        self.assertEqual([type(error) for error in found], [ChannelClosed] * 50)

    def test_one_message_wakes_one_task_and_the_others_wait_on(self) -> None:
        ch = channel()

        async def main():
            tasks = [asyncio.ensure_future(ch.async_receive()) for _ in range(3)]
            await asleep(*tasks)
            for number in range(3):
                put(ch, number)
                done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self.assertEqual({task.result() for task in done}, {number})
                self.assertEqual(len(pending), 2 - number)
                tasks = list(pending)

        run(main())

    def test_tasks_and_threads_share_a_channel(self) -> None:
        ch = channel()
        by_threads: list[object] = []
        threads = [threading.Thread(target=lambda: by_threads.extend(ch)) for _ in range(3)]
        for thread in threads:
            thread.start()

        async def collect():
            return [message async for message in ch]

        async def main():
            tasks = [asyncio.ensure_future(collect()) for _ in range(3)]
            await asyncio.to_thread(put, ch, *range(1000))
            ch._test_end()
            return [message for found in await asyncio.gather(*tasks) for message in found]

        by_tasks = run(main())
        for thread in threads:
            thread.join(DEADLINE_S)
        self.assertEqual(sorted(by_threads + by_tasks), list(range(1000)))


class Cancelled(unittest.TestCase):
    def test_a_cancelled_wait_takes_nothing_and_leaves_nothing(self) -> None:
        ch = channel()

        async def main():
            task = asyncio.ensure_future(ch.async_receive())
            await asleep(task)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual(waits._waits_of(asyncio.get_running_loop())._pending, {})
            put(ch, "kept")
            return await ch.async_receive()

        self.assertEqual(run(main()), "kept")

    def test_a_wait_that_was_told_and_is_cancelled_passes_it_on(self) -> None:
        ch = channel()

        async def main():
            first = asyncio.ensure_future(ch.async_receive())
            await asleep(first)
            second = asyncio.ensure_future(ch.async_receive())
            await asleep(first, second)
            put(ch, "for the second")  # the token of the first is given
            first.cancel()
            return await second, await asyncio.gather(first, return_exceptions=True)

        message, (error,) = run(main())
        self.assertEqual(message, "for the second")
        self.assertIsInstance(error, asyncio.CancelledError)

    def test_also_when_the_loop_has_seen_that_it_was_told(self) -> None:
        ch = channel()

        async def main():
            loop_waits = waits._waits_of(asyncio.get_running_loop())
            first = asyncio.ensure_future(ch.async_receive())
            await asleep(first)
            second = asyncio.ensure_future(ch.async_receive())
            await asleep(first, second)
            put(ch, "for the second")
            loop_waits._on_ready()  # the future of the first is done, its task has not run
            first.cancel()
            return await second

        self.assertEqual(run(main()), "for the second")

    def test_a_time_out_loses_nothing(self) -> None:
        ch, found = channel(), []

        async def receive():
            while True:
                try:
                    found.append(await asyncio.wait_for(ch.async_receive(), 0.0005))
                except asyncio.TimeoutError:
                    continue
                except ChannelClosed:
                    return

        async def main():
            tasks = [asyncio.ensure_future(receive()) for _ in range(4)]
            for number in range(300):
                await asyncio.to_thread(put, ch, number)
            ch._test_end()
            await asyncio.gather(*tasks)

        run(main())
        self.assertEqual(sorted(found), list(range(300)))

    def test_a_loop_that_is_closed_over_waits_passes_them_on_and_leaves_nothing(self) -> None:
        ch = channel()
        gc.collect()
        before = descriptors()
        loop = asyncio.new_event_loop()
        task = loop.create_task(ch.async_receive())
        loop.run_until_complete(asleep(task))
        task._log_destroy_pending = False

        async def main():
            second = asyncio.ensure_future(ch.async_receive())
            await asleep(second)
            put(ch, "for the living")  # the first wait is told, and its loop does not run
            nonlocal loop, task
            loop.close()
            del loop, task
            gc.collect()
            return await second

        self.assertEqual(run(main()), "for the living")
        gc.collect()
        self.assertEqual(descriptors(), before)


class Waits(unittest.TestCase):
    def test_a_token_is_given_once_for_each_message_and_wait(self) -> None:
        notifier, ch = Notifier(), channel()
        for token in (7, 8):
            ch._add_waiter(notifier, token, waits.SOME, 0)
        self.assertEqual(notifier.take(), [])
        put(ch, 1)
        self.assertEqual(notifier.take(), [7])
        put(ch, 2, 3)
        self.assertEqual(notifier.take(), [8])

    def test_a_wait_for_what_is_there_is_over_at_once(self) -> None:
        notifier, ch = Notifier(), channel(1)
        ch._add_waiter(notifier, 1, waits.SOME, 0)
        self.assertEqual(notifier.take(), [1])

    def test_a_wait_that_was_taken_back_is_not_told(self) -> None:
        notifier, ch = Notifier(), channel()
        ch._add_waiter(notifier, 1, waits.SOME, 0)
        ch._forget_waiter(notifier, 1)
        put(ch, 1)
        self.assertEqual(notifier.take(), [])

    def test_a_token_that_is_given_back_goes_to_the_next(self) -> None:
        notifier, ch = Notifier(), channel()
        ch._add_waiter(notifier, 1, waits.SOME, 0)
        ch._add_waiter(notifier, 2, waits.SOME, 0)
        put(ch, 1)
        self.assertEqual(notifier.take(), [1])
        ch._forget_waiter(notifier, 1)
        self.assertEqual(notifier.take(), [2])

    def test_wrong_arguments_are_refused(self) -> None:
        ch = channel()
        with self.assertRaises(TypeError):
            ch._add_waiter(object(), 1, waits.SOME, 0)
        with self.assertRaises(TypeError):
            ch._add_waiter(Notifier(), 1)
        with self.assertRaises(TypeError):
            ch._forget_waiter(Notifier())


if __name__ == "__main__":
    unittest.main()
