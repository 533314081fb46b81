"""The Python end of channels, for the suites."""

from __future__ import annotations

import asyncio
import threading

import announce

import erlang


def drain(channel: object) -> list[object]:
    """Everything until the end."""
    return list(channel)


def drain_when_told(port: int, channel: object) -> list[object]:
    """Begin when the test lets go of its socket."""
    announce.wait_for_test(port)
    return list(channel)


def there(channel: object) -> list[object]:
    """What can be taken without waiting."""
    taken: list[object] = []
    while (message := channel._try_receive_or(taken)) is not taken:
        taken.append(message)
    return taken


def there_and(channel: object, other: bytes) -> tuple[list[object], int]:
    """The same, for a call with a large argument."""
    return there(channel), len(other)


def there_and_read(channel: object, buffer: object) -> list[object]:
    """What is there once something of a buffer is."""
    assert buffer.read(1) == b"x"
    return there(channel)


def take(channel: object, count: int) -> list[object]:
    """So many."""
    return [next(channel) for _ in range(count)]


def echo(channel: object) -> None:
    """Send back what comes, until the end."""
    for message in channel:
        if isinstance(channel, erlang.ByteChannel):
            channel.send_bytes(message, -1)
        else:
            channel.send(message)


def send_all(channel: object, terms: list[object]) -> None:
    """Terms, or bytes if they are."""
    for term in terms:
        if isinstance(channel, erlang.ByteChannel):
            channel.send_bytes(term, -1)
        else:
            channel.send(term)


def send_numbers(channel: object, count: int) -> None:
    """Up to a number, and close."""
    for number in range(count):
        channel.send(number)
    channel.close()


def send_in_threads(channel: object, threads: int, count: int) -> None:
    """Each thread sends (its name, a number)."""

    def send(name: int) -> None:
        for number in range(count):
            channel.send((name, number))

    run_all([threading.Thread(target=send, args=(name,)) for name in range(threads)])
    channel.close()


def drain_in_threads(channel: object, threads: int) -> list[list[object]]:
    """What each thread gets."""
    taken: list[list[object]] = [[] for _ in range(threads)]
    run_all([threading.Thread(target=taken[n].extend, args=(channel,)) for n in range(threads)])
    return taken


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def drain_and_cancel(channel: object, seed: int) -> list[object]:
    """Everything, by tasks of which some are cancelled at a moment that the seed chooses."""
    return asyncio.run(cancelling(channel, seed))


async def cancelling(channel: object, seed: int) -> list[object]:
    taken = []
    is_bytes = isinstance(channel, erlang.ByteChannel)
    receive = channel.async_receive_bytes if is_bytes else channel.async_receive
    while True:
        seed = (seed * 1103515245 + 12345) % 2**31
        task = asyncio.ensure_future(receive())
        for _ in range(seed >> 16 & 3):
            await asyncio.sleep(0)
        if seed >> 20 & 1:
            task.cancel()
        try:
            taken.append(await task)
        except asyncio.CancelledError:
            continue
        except (erlang.ChannelClosed, erlang.ByteChannelClosed):
            return taken


def drain_impatiently(channel: object) -> list[object]:
    """Everything, with waits that end."""
    taken = []
    while True:
        try:
            taken.append(channel.receive(1))
        except TimeoutError:
            continue
        except erlang.ChannelClosed:
            return taken


def try_receive(channel: object) -> object:
    """A message, or what there is instead, as text."""
    try:
        message = channel.try_receive_bytes()
    except erlang.ByteChannelClosed:
        return "closed"
    return "nothing" if message is None else message


def receive_in_time(channel: object) -> object:
    """The same, after a short wait."""
    try:
        return channel.receive_bytes(1)
    except erlang.ByteChannelClosed:
        return "closed"
    except TimeoutError:
        return "nothing"


def receive_and_cancel(channel: object) -> object:
    """The same of a task that is cancelled when it has begun."""
    return asyncio.run(receive_in_task(channel))


async def receive_in_task(channel: object) -> object:
    task = asyncio.ensure_future(channel.async_receive_bytes())
    await asyncio.sleep(0)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return erlang.atom("cancelled")
    except erlang.ByteChannelClosed:
        return "closed"


def send_in_time(channel: object, data: bytes, timeout_ms: int) -> str:
    """How it went."""
    try:
        channel.send_bytes(data, timeout_ms)
    except ValueError:
        return "too_large"
    except RuntimeError as refused:
        return "timeout" if "busy" in str(refused) else "closed"
    return "sent"


def close(channel: object) -> None:
    channel.close()


def close_when_told(port: int, channel: object) -> None:
    announce.wait_for_test(port)
    channel.close()


def same(term: object) -> object:
    return term


def kind(term: object) -> str:
    return type(term).__name__


def as_channel(ref: object) -> object:
    return erlang.Channel(ref)


def pong(channel: object) -> None:
    """Answer each (pid, term) with the term."""
    for pid, term in channel:
        erlang.reply(pid, term)


def post(pid: object, terms: list[object], wrapped: bool) -> str:
    """Send each to a process."""
    for term in terms:
        erlang.send(pid, ("posted", term) if wrapped else term)
    return "posted"
