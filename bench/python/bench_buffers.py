"""The Python half of bench/bench_buffers.erl."""

from __future__ import annotations

import ctypes
import hashlib
import io
import tempfile
import time
from collections.abc import Callable
from typing import Any


def drain(body: Any, size: int) -> int:
    """Reads to the end in pieces and keeps none."""
    total = 0
    read = body.read
    while data := read(size):
        total += len(data)
    return total


def drain_after(body: Any, size: int, seconds: float) -> int:
    time.sleep(seconds)
    return drain(body, size)


def wait_for_end(body: Any) -> int:
    """Blocks until all of a body of a known length is there, without reading it."""
    with memoryview(body.peek()):
        pass
    return len(body)


def address_and_digest(body: Any) -> dict[str, Any]:
    """Two views of the whole body: where they lie, what is in the first."""
    first = memoryview(body)
    second = memoryview(body)
    return {
        "bytes": first.nbytes,
        "same_address": _address(first) == _address(second),
        "sha256": hashlib.sha256(first).hexdigest(),
    }


class _PyBuffer(ctypes.Structure):
    _fields_ = [("buf", ctypes.c_void_p)] + [(f"word{n}", ctypes.c_void_p) for n in range(12)]


def _address(view: memoryview) -> int:
    info = _PyBuffer()
    api = ctypes.pythonapi
    api.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(info), 0)
    address = int(info.buf or 0)
    api.PyBuffer_Release(ctypes.byref(info))
    return address


def count_lines(body: Any) -> int:
    readline = body.readline
    count = 0
    while readline():
        count += 1
    return count


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def lines_beside_bytesio(body: Any, content: bytes) -> dict[str, float]:
    """Lines per second of `body`, which holds `content`, and of io.BytesIO."""
    beside = io.BytesIO(content)
    lines = content.count(b"\n")
    return {
        "buffer": lines / _seconds(lambda: count_lines(body)),
        "bytesio": lines / _seconds(lambda: count_lines(beside)),
    }


def standard_files(total: int, chunk_bytes: int) -> dict[str, float]:
    """MB/s through the standard library's buffers in this process: written, then read."""
    chunk = bytes(chunk_bytes)

    def through(file: Any) -> float:
        def run() -> None:
            for _ in range(total // chunk_bytes):
                file.write(chunk)
            file.seek(0)
            drain(file, 65536)
            file.close()

        return total / _seconds(run) / 1e6

    return {
        "bytesio": through(io.BytesIO()),
        "spooled": through(tempfile.SpooledTemporaryFile(max_size=1 << 20)),
    }


def read_and_close(body: Any) -> int:
    data = body.read()
    body.close()
    return len(data)


def first_line(body: Any) -> bytes:
    line: bytes = body.readline()
    return line
