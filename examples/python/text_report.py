"""The Python side of analyse_text.escript: one function per step, each called from Erlang."""
from __future__ import annotations

import ctypes
import re
import sqlite3
import statistics
import zlib
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def tokenise(text: str | bytes) -> list[str]:
    """The words of a text, in lower case. Bytes that are not UTF-8 are replaced."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    return [word.lower() for word in _WORD.findall(text)]


def count(words: list[str], shortest: int, limit: int) -> list[tuple[str, int]]:
    """The most frequent words of at least `shortest` letters, with their number."""
    return Counter(word for word in words if len(word) >= shortest).most_common(limit)


def lengths(words: list[str]) -> list[tuple[int, int, str]]:
    """Asks a database in memory: for each word length how many words, and the last of them."""
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE TABLE words (word TEXT NOT NULL)")
        database.executemany("INSERT INTO words VALUES (?)", ((word,) for word in words))
        rows = database.execute(
            "SELECT length(word) AS letters, count(*), max(word) FROM words"
            " GROUP BY letters ORDER BY letters DESC LIMIT 5"
        )
        return rows.fetchall()
    finally:
        database.close()


def compress(text: str | bytes) -> tuple[int, int]:
    """The size of the text in bytes, and what zlib makes of it."""
    raw = text.encode() if isinstance(text, str) else text
    return len(raw), len(zlib.compress(raw, level=9))


def describe(words: list[str]) -> dict[str, float]:
    """Figures about the lengths of the words."""
    letters = [len(word) for word in words] or [0]
    return {
        "mean": statistics.fmean(letters),
        "median": float(statistics.median(letters)),
        "deviation": statistics.pstdev(letters),
    }


def read_address_zero() -> bytes:
    """Dereferences a null pointer: the operating system ends the process with SIGSEGV."""
    return ctypes.string_at(0)
