"""Erlang, seen from the Python that it hosts.

This package is there in every context that pyport runs; it cannot be imported elsewhere.

Types that come from Erlang and go back unchanged (they cannot be made in Python):

    Pid    a process, local or remote
    Ref    a reference
    Fun    a fun
    Port   a port

All are immutable, hashable and equal to their like. Every other term has a Python type of its own:
atoms and UTF-8 binaries are str, other binaries bytes, integers int (exact at any size), floats
float, lists list, tuples tuple, maps dict; true, false are bool; none, nil and undefined are None.

What py_buffer made in Erlang arrives as a PyBuffer: a binary file that is read while Erlang still
writes it. What py_channel and py_byte_channel made arrives as a Channel or a ByteChannel: messages
in both directions (help(erlang.channel), help(erlang.byte_channel)). They go back as their
references.

send(pid, term) and reply(pid, term) send a message to a process.

To send an atom where a str would become a binary:

    return erlang.atom("ok"), value
"""

from __future__ import annotations

from _erlang import (
    Atom,
    ByteChannel,
    ByteChannelClosed,
    Channel,
    ChannelClosed,
    Error,
    Fun,
    Pid,
    Port,
    ProcessError,
    PyBuffer,
    Ref,
    SuspensionRequired,
    atom,
    reply,
    send,
)

__all__ = [
    "Atom",
    "ByteChannel",
    "ByteChannelClosed",
    "Channel",
    "ChannelClosed",
    "Error",
    "Fun",
    "Pid",
    "Port",
    "ProcessError",
    "PyBuffer",
    "Ref",
    "SuspensionRequired",
    "atom",
    "reply",
    "send",
]
