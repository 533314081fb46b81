"""Channels of terms between Erlang and Python, and answers to processes.

In Python:

    def work(ch):
        for client, number in ch:
            reply(client, number * 2)

and in Erlang:

    {ok, Ch} = py_channel:new(),
    spawn_link(fun() -> {ok, none} = py:call(worker, work, [Ch]) end),
    ok = py_channel:send(Ch, {self(), 21}),
    receive 42 -> py_channel:close(Ch) end.

A channel has a queue in each direction. py_channel:send puts a message into the one for Python,
where `receive`, `try_receive`, iteration, or `async_receive` and `async for` in asyncio take it.
Channel.send puts one into the queue for Erlang, where py_channel:recv takes it. With max_size, in
bytes, each queue is bounded: who sends into a full one waits or is told so.

    Channel        a channel; made in Erlang only
    ChannelClosed  closed, and everything was received
    reply          sends a message to a process, and returns True
"""

from __future__ import annotations

from _erlang import Channel, ChannelClosed, reply

__all__ = ["Channel", "ChannelClosed", "reply"]
