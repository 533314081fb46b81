"""What the tests of erlang.Channel and erlang.ByteChannel share."""
from __future__ import annotations

import struct

from erlang import ByteChannel, Channel

# A bitstring of three bits: it has no form in Python.
UNDECODABLE = b"\x83M\x00\x00\x00\x01\x03\xa0"
MALFORMED = b"\x83m\x00\x00\x00\x09abc"
DECODE_ERRORS = ((UNDECODABLE, TypeError), (MALFORMED, ValueError), (b"", ValueError))


def term(value: object) -> bytes:
    """The external form of an int, a str or None."""
    if value is None:
        return b"\x83w\x04none"
    if isinstance(value, int):
        return b"\x83b" + struct.pack(">i", value)
    assert isinstance(value, str), value
    data = value.encode()
    return b"\x83m" + struct.pack(">I", len(data)) + data


def channel(*messages: object, max_size: int = 0) -> Channel:
    made = Channel._test_create(max_size)
    put(made, *messages)
    return made


def byte_channel(*messages: bytes, max_size: int = 0) -> ByteChannel:
    made = ByteChannel._test_create(max_size)
    for message in messages:
        made._test_put(message)
    return made


def put(to: Channel, *messages: object) -> None:
    for message in messages:
        to._test_put(term(message))
