"""Channels of raw bytes between Erlang and Python.

As erlang.channel, but a message is bytes: nothing is encoded or decoded, boundaries are kept, and
b"" is a message. py_byte_channel:send and receive_bytes, send_bytes and py_byte_channel:recv belong
together.

    ByteChannel        a channel; made in Erlang only
    ByteChannelClosed  closed, and everything was received
"""

from __future__ import annotations

from _erlang import ByteChannel, ByteChannelClosed

__all__ = ["ByteChannel", "ByteChannelClosed"]
