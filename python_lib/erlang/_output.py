"""The streams that `sys.stdout` and `sys.stderr` are inside the program."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False  # importing `typing` would take half of the program's start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO


class OutputStream(io.TextIOBase):
    """A text stream whose lines go to the Erlang side.

    A line is sent at its newline, what has none at the end of the request that printed it.
    `buffer` and `fileno()` are the descriptor of the process: bytes written there arrive too, but
    not in step with the text.

    Thread rule: any thread. Lines of different threads do not mix.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True

    def __init__(self, descriptor: int, write_output: Callable[[int, str], None]) -> None:
        self._descriptor = descriptor
        self._write_output = write_output
        self.buffer: BinaryIO = open(descriptor, "wb", buffering=0, closefd=False)
        self.mode = "w"
        self.name = "<stdout>" if descriptor == 1 else "<stderr>"

    def write(self, text: str) -> int:
        """Writes text; returns the number of characters. Never raises for text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.closed:
            raise ValueError("I/O operation on closed file")
        self._write_output(self._descriptor, text)
        return len(text)

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """The descriptor, 1 or 2."""
        return self._descriptor

    def isatty(self) -> bool:
        """False."""
        return False

    def reconfigure(self, **_settings: object) -> None:
        """Accepted and ignored: the encoding is UTF-8, the buffering by line."""


def install(write_output: Callable[[int, str], None]) -> None:
    """Replaces `sys.stdout` and `sys.stderr`. Called once, when the program starts."""
    _replace(OutputStream(1, write_output), OutputStream(2, write_output))
    os.register_at_fork(after_in_child=_use_descriptors)


def _use_descriptors() -> None:
    """A forked child has no link: what it prints goes to the descriptors."""
    _replace(
        open(1, "w", buffering=1, encoding="utf-8", closefd=False),
        open(2, "w", buffering=1, encoding="utf-8", closefd=False),
    )


def _replace(out: io.TextIOBase, err: io.TextIOBase) -> None:
    streams: Any = sys  # typeshed knows only TextIOWrapper here
    streams.stdout = streams.__stdout__ = out
    streams.stderr = streams.__stderr__ = err
