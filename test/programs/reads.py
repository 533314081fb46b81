"""What py_buffer_SUITE has Python do with a buffer."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
from typing import Any, BinaryIO


def same(value: Any) -> Any:
    return value


def everything(buffer: BinaryIO) -> bytes:
    return buffer.read()


def everything_of_all(buffers: list[BinaryIO]) -> list[bytes]:
    return [buffer.read() for buffer in buffers]


def exactly(buffer: BinaryIO, count: int) -> bytes:
    parts = []
    while count:
        part = buffer.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def digest(buffer: BinaryIO) -> tuple[int, bytes]:
    count, sha = 0, hashlib.sha256()
    while part := buffer.read(65536):
        count += len(part)
        sha.update(part)
    return count, sha.digest()


def digest_when_told(port: int, buffer: BinaryIO) -> tuple[int, bytes]:
    """Announces itself, and reads nothing until the other end of the socket is closed."""
    with socket.create_connection(("127.0.0.1", port)) as told:
        told.recv(1)
    return digest(buffer)


def close(buffer: BinaryIO) -> None:
    buffer.close()


def crash_with(_: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_with(port: int, _: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as told:
        told.recv(1)
