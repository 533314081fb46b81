"""The Python half of bench/bench_buffers.erl."""

from __future__ import annotations

import ctypes
import hashlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

RUNS = 7


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


def ready() -> None:
    """Loads this module and what it imports, before anything is measured."""


def address_and_digest(body: Any) -> dict[str, Any]:
    """Two views of the whole body, when all of it is there: where they lie, what is in it."""
    body.peek()
    while body.readable_amount() < 64 << 20:
        time.sleep(0.001)
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
    """Lines per second of `body`, which holds `content`, and of io.BytesIO, in turns; medians."""
    beside = io.BytesIO(content)
    lines = content.count(b"\n")
    seconds: dict[str, list[float]] = {"buffer": [], "bytesio": []}
    for _ in range(RUNS):
        for name, file in (("buffer", body), ("bytesio", beside)):
            file.seek(0)
            seconds[name].append(_seconds(partial(count_lines, file)))
    return {name: lines / statistics.median(taken) for name, taken in seconds.items()}


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
