"""What examples/stream_file.escript asks of Python: a report of a CSV file while it arrives."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator
from typing import Any

GZIP_MAGIC = b"\x1f\x8b"


class Digesting(io.RawIOBase):
    """Hands on what is read from `source`, and digests it on the way."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.sha256 = hashlib.sha256()
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        count: int = self.source.readinto(target)
        self.sha256.update(memoryview(target)[:count])
        self.bytes_read += count
        return count


def rows_of(stream: io.BufferedReader) -> Iterator[list[str]]:
    packed = stream.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC
    raw: Any = gzip.GzipFile(fileobj=stream) if packed else stream
    text = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
    return csv.reader(text)


def report(body: Any) -> dict[str, Any]:
    """Reads `body` (an erlang.PyBuffer) to its end and keeps nothing of it."""
    digesting = Digesting(body)
    rows = 0
    columns = 0
    for row in rows_of(io.BufferedReader(digesting, buffer_size=1 << 18)):
        rows += 1
        columns = max(columns, len(row))
    return {
        "bytes": digesting.bytes_read,
        "sha256": digesting.sha256.hexdigest(),
        "rows": rows,
        "columns": columns,
    }
