"""The Python half of bench/bench_channels*.erl."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import Any

import erlang

WINDOWS = 10
WARM_UP_S = 1.0
LOOK_EVERY = 4096
PONG = erlang.atom("pong")


def consume(channel: Any, counter: Any, step: int) -> list[int]:
    """Takes all messages and tells `counter` of each `step`; how many came in each second."""
    send = erlang.send
    now = time.perf_counter
    times = []
    left = step
    for _ in channel:
        left -= 1
        if not left:
            left = step
            times.append(now())
            send(counter, step)
    return _windows(times, step)


def _windows(times: list[float], step: int) -> list[int]:
    start = times[0] + WARM_UP_S
    counts = [0] * WINDOWS
    for moment in times:
        if start <= moment < start + WINDOWS:
            counts[int(moment - start)] += step
    return counts


def take(channel: Any, count: int) -> int:
    receive = channel.receive
    for _ in range(count):
        receive()
    return count


def echo(channel: Any) -> None:
    reply = erlang.reply
    for pid, number in channel:
        reply(pid, (PONG, number))


def async_echo(channel: Any) -> None:
    asyncio.run(_async_echo(channel))


async def _async_echo(channel: Any) -> None:
    reply = erlang.reply
    try:
        while True:
            pid, number = await channel.async_receive()
            reply(pid, (PONG, number))
    except erlang.ChannelClosed:
        return


def queue_trips_us(count: int) -> list[float]:
    """A thread feeds an asyncio.Queue and waits for the answer of the loop."""
    taken: list[float] = []
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        questions: asyncio.Queue[int] = asyncio.Queue()

        def ask() -> None:
            for number in range(count):
                started = time.perf_counter()
                loop.call_soon_threadsafe(questions.put_nowait, number)
                answers.get()
                taken.append((time.perf_counter() - started) * 1e6)

        thread = threading.Thread(target=ask)
        thread.start()
        for _ in range(count):
            answers.put(await questions.get())
        thread.join()

    asyncio.run(main())
    return taken


def send_for(channel: Any, seconds: float) -> int:
    """Sends small messages until the time is over or Erlang closes the channel."""
    send = channel.send
    message = "x" * 64
    until = time.perf_counter() + seconds
    sent = 0
    try:
        while time.perf_counter() < until:
            for _ in range(LOOK_EVERY):
                send(message)
            sent += LOOK_EVERY
    except erlang.ChannelClosed:
        pass
    return sent


def send_to_process_for(pid: Any, seconds: float) -> int:
    send = erlang.send
    message = "x" * 64
    until = time.perf_counter() + seconds
    sent = 0
    while time.perf_counter() < until:
        for _ in range(LOOK_EVERY):
            send(pid, message)
        sent += LOOK_EVERY
    return sent


def simple_queue(count: int) -> float:
    """Objects per second from one thread to another."""
    between: queue.SimpleQueue[Any] = queue.SimpleQueue()
    message = "x" * 64

    def put() -> None:
        send = between.put
        for _ in range(count):
            send(message)

    started = time.perf_counter()
    thread = threading.Thread(target=put)
    thread.start()
    receive = between.get
    for _ in range(count):
        receive()
    taken = time.perf_counter() - started
    thread.join()
    return count / taken
