"""Waiting in asyncio for what is in the program's store, without polling.

Each event loop that waits has one `Notifier`: a descriptor that the loop watches. A wait is a token
that the notifier gets back once. Nothing is consumed by waiting, so a task that is cancelled has
taken nothing.
"""

from __future__ import annotations

import asyncio
import weakref

from _erlang import ByteChannelClosed, ChannelClosed, Notifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from _erlang import ByteChannel, Channel, PyBuffer

    class Source(Protocol):
        """What can be waited for."""

        def _add_waiter(self, notifier: Notifier, token: int, need: int, size: int, /) -> None:
            ...

        def _forget_waiter(self, notifier: Notifier, token: int, /) -> None:
            """Also for a token that was given: it is not used, another wait may get it."""


# What a wait is for, as store::Buffer::Need has it.
SOME, LINE, END = range(3)


class _LoopWaits:
    """The waits of one loop. Only the loop holds it: it goes when the loop is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._notifier = Notifier()
        self._pending: dict[int, tuple[asyncio.Future[None], Source]] = {}
        self._last_token = 0
        loop.add_reader(self._notifier.fileno(), self._on_ready)

    async def wait(self, source: Source, need: int, size: int) -> None:
        self._last_token += 1
        token = self._last_token
        future = asyncio.get_running_loop().create_future()
        self._pending[token] = (future, source)
        told = False
        try:
            source._add_waiter(self._notifier, token, need, size)
            await future
            told = True
        finally:
            if not told:
                self._pending.pop(token, None)
                source._forget_waiter(self._notifier, token)

    def _on_ready(self) -> None:
        for token in self._notifier.take():
            future, _ = self._pending.pop(token, (None, None))
            if future is not None and not future.done():
                future.set_result(None)

    def __del__(self) -> None:
        """The loop was closed over waits that nobody cancelled."""
        for token, (_, source) in self._pending.items():
            source._forget_waiter(self._notifier, token)


_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_LoopWaits]]
_by_loop = weakref.WeakKeyDictionary()


def _waits_of(loop: asyncio.AbstractEventLoop) -> _LoopWaits:
    known = _by_loop.get(loop)
    waits = None if known is None else known()
    if waits is None:
        waits = _LoopWaits(loop)
        _by_loop[loop] = weakref.ref(waits)
    return waits


async def wait(source: Source, need: int, size: int = 0) -> None:
    """Waits in the running loop until `source` has what `need` says, or its end."""
    await _waits_of(asyncio.get_running_loop()).wait(source, need, size)


async def read(buffer: PyBuffer, size: int) -> bytes:
    """PyBuffer.aread."""
    while (data := buffer._try_read(size)) is None:
        await wait(buffer, END if size < 0 else SOME)
    return data


async def readline(buffer: PyBuffer, size: int) -> bytes:
    """PyBuffer.areadline."""
    while (line := buffer._try_readline(size)) is None:
        await wait(buffer, LINE, max(size, 0))
    return line


async def next_line(buffer: PyBuffer, size: int) -> bytes:
    """What `async for` awaits."""
    line = await readline(buffer, size)
    if not line:
        raise StopAsyncIteration
    return line


_NOTHING = object()  # None is a message


async def receive(channel: Channel | ByteChannel) -> Any:
    """Channel.async_receive and ByteChannel.async_receive_bytes."""
    while (message := channel._try_receive_or(_NOTHING)) is _NOTHING:
        await wait(channel, SOME)
    return message


async def next_message(channel: Channel | ByteChannel) -> Any:
    """What `async for` awaits."""
    try:
        return await receive(channel)
    except (ChannelClosed, ByteChannelClosed):
        raise StopAsyncIteration from None
