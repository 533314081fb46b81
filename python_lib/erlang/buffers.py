"""Buffers for WSGI servers: the classes of waitress's module `buffers`, on pyport's storage.

A server that uses waitress's classes can use these in their place:

    import sys, erlang.buffers
    sys.modules["waitress.buffers"] = erlang.buffers

    BytesIOBasedBuffer       in memory
    TempfileBasedBuffer      in an unlinked temporary file
    OverflowableBuffer       in memory up to a threshold, then in a file
    ReadOnlyFileBasedBuffer  an open file as it is; serves as wsgi.file_wrapper
    FileBasedBuffer          what the first, second and fourth have in common

Content that is written lies in a BufferFile, a file object of the program that hosts Python. All
of them count against the limits of pyport's buffers: memory beyond `buffer_memory_max` goes to a
file. A full file system raises OSError (ENOSPC); what was stored before stays readable.

One thread at a time may use a buffer, as with waitress.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from _erlang import BufferFile

__all__ = [
    "COPY_BYTES",
    "STRBUF_LIMIT",
    "BufferFile",
    "BytesIOBasedBuffer",
    "FileBasedBuffer",
    "OverflowableBuffer",
    "ReadOnlyFileBasedBuffer",
    "TempfileBasedBuffer",
]

COPY_BYTES = 1 << 18
"""Bytes that are copied from one file to another at a time."""

STRBUF_LIMIT = 8192
"""An OverflowableBuffer keeps content below this many bytes in one bytes object."""

_IN_MEMORY = -1
_IN_FILE = 0


class _Source(Protocol):
    """Whatever a buffer can be made from."""

    def getfile(self) -> Any:
        ...


def _copy(source: Any, target: Any) -> None:
    while data := source.read(COPY_BYTES):
        target.write(data)


class FileBasedBuffer:
    """A queue of bytes in a file object: appended at its end, taken at its position."""

    remain: int = 0
    """Bytes that can still be taken."""

    def __init__(self, file: Any, from_buffer: _Source | None = None) -> None:
        """Wraps `file`; with `from_buffer`, copies its content and its position into it."""
        self.file = file
        if from_buffer is None:
            return
        source = from_buffer.getfile()
        position = source.tell()
        source.seek(0)
        _copy(source, file)
        self.remain = file.tell() - position
        source.seek(position)
        file.seek(position)

    def __len__(self) -> int:
        return self.remain

    def __bool__(self) -> bool:
        """True, also without content."""
        return True

    def append(self, s: bytes) -> None:
        """Adds bytes at the end; the position stays."""
        file = self.file
        if type(file) is BufferFile:
            file.append(s)
        else:
            position = file.tell()
            file.seek(0, 2)
            file.write(s)
            file.seek(position)
        self.remain += len(s)

    def get(self, numbytes: int = -1, skip: bool = False) -> bytes:
        """The next `numbytes` bytes, or all; with `skip` they are taken, else they stay."""
        file = self.file
        if type(file) is BufferFile:
            data = file.get(numbytes, skip)
        else:
            data = self._read(file, numbytes, skip)
        if skip:
            self.remain -= len(data)
        return data

    def _read(self, file: Any, numbytes: int, skip: bool) -> bytes:
        position = None if skip else file.tell()
        data: bytes = file.read() if numbytes < 0 else file.read(numbytes)
        if position is not None:
            file.seek(position)
        return data

    def skip(self, numbytes: int, allow_prune: bool | int = 0) -> None:
        """Takes bytes without reading them. Raises ValueError when there are fewer."""
        if self.remain < numbytes:
            raise ValueError(f"Can't skip {numbytes} bytes in buffer of {self.remain} bytes")
        self.file.seek(numbytes, 1)
        self.remain -= numbytes

    def newfile(self) -> Any:
        """An empty file of the same kind."""
        raise NotImplementedError

    def prune(self) -> None:
        """Gives back the room of what was taken: moves the rest to a new file."""
        file = self.file
        if self.remain == 0 and self._size(file) == 0:
            return
        rest = self.newfile()
        _copy(file, rest)
        # waitress leaves the position at the end, and what was to be kept cannot be taken.
        rest.seek(0)
        self.file = rest

    @staticmethod
    def _size(file: Any) -> int:
        position = file.tell()
        file.seek(0, 2)
        size: int = file.tell()
        file.seek(position)
        return size

    def getfile(self) -> Any:
        """The file object itself."""
        return self.file

    def close(self) -> None:
        """Closes the file, if it can be closed. Nothing can be taken any more."""
        if hasattr(self.file, "close"):
            self.file.close()
        self.remain = 0


class BytesIOBasedBuffer(FileBasedBuffer):
    """A buffer in memory."""

    def __init__(self, from_buffer: _Source | None = None) -> None:
        super().__init__(self.newfile(), from_buffer)

    def newfile(self) -> BufferFile:
        return BufferFile(_IN_MEMORY)


class TempfileBasedBuffer(FileBasedBuffer):
    """A buffer in an unlinked temporary file in the `tmp_dir` of pyport."""

    def __init__(self, from_buffer: _Source | None = None) -> None:
        super().__init__(self.newfile(), from_buffer)

    def newfile(self) -> BufferFile:
        return BufferFile(_IN_FILE)


class ReadOnlyFileBasedBuffer(FileBasedBuffer):
    """An open file as a buffer, never read further than asked; serves as wsgi.file_wrapper.

    A seekable file lends it `seek`, `tell` and `seekable`. Other files can be iterated over.
    """

    def __init__(self, file: Any, block_size: int = 32768) -> None:
        """`block_size`: bytes in each step of an iteration."""
        self.file = file
        self.block_size = block_size
        if not self._is_seekable():
            return
        if hasattr(file, "seekable"):
            self.seekable: Callable[[], bool] = file.seekable
        self.seek: Callable[..., int] = file.seek
        self.tell: Callable[[], int] = file.tell

    def _is_seekable(self) -> bool:
        file = self.file
        if hasattr(file, "seekable"):
            return bool(file.seekable())
        return hasattr(file, "seek") and hasattr(file, "tell")

    def prepare(self, size: int | None = None) -> int:
        """Sets `remain` to what is left of the file, at most `size`; 0 when it cannot seek."""
        if self._is_seekable():
            left = self._size(self.file) - self.file.tell()
            self.remain = left if size is None else min(left, size)
        return self.remain

    def get(self, numbytes: int = -1, skip: bool = False) -> bytes:
        """The next bytes, never more than `remain`."""
        if numbytes == -1 or numbytes > self.remain:
            numbytes = self.remain
        data = self._read(self.file, numbytes, skip)
        if skip:
            self.remain -= len(data)
        return data

    def __iter__(self) -> ReadOnlyFileBasedBuffer:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.file.read(self.block_size)
        if not block:
            raise StopIteration
        return block

    next = __next__

    def append(self, s: bytes) -> None:
        raise NotImplementedError


class OverflowableBuffer:
    """A buffer in one bytes object, then in memory, and from `overflow` bytes on in a file.

    `len()` is what can be taken; unlike its parts it is false when empty.
    """

    overflowed = False
    """True while the content is in a file."""
    buf: BytesIOBasedBuffer | TempfileBasedBuffer | None = None
    strbuf = b""

    def __init__(self, overflow: int) -> None:
        self.overflow = overflow

    def __len__(self) -> int:
        return len(self.strbuf) if self.buf is None else len(self.buf)

    def __bool__(self) -> bool:
        return len(self) > 0

    def _create_buffer(self) -> FileBasedBuffer:
        if len(self.strbuf) >= self.overflow:
            buf = self._set_large_buffer()
        else:
            buf = self._set_small_buffer()
        if self.strbuf:
            buf.append(self.strbuf)
            self.strbuf = b""
        return buf

    def _set_small_buffer(self) -> FileBasedBuffer:
        return self._move_to(BytesIOBasedBuffer, overflowed=False)

    def _set_large_buffer(self) -> FileBasedBuffer:
        return self._move_to(TempfileBasedBuffer, overflowed=True)

    def _move_to(
        self, kind: type[BytesIOBasedBuffer] | type[TempfileBasedBuffer], *, overflowed: bool
    ) -> FileBasedBuffer:
        old = self.buf
        new = self.buf = kind(old)
        if old is not None and hasattr(old, "close"):
            old.close()
        self.overflowed = overflowed
        return new

    def append(self, s: bytes) -> None:
        """Adds bytes at the end."""
        buf: FileBasedBuffer | None = self.buf
        if buf is None:
            if len(self.strbuf) + len(s) < STRBUF_LIMIT:
                self.strbuf += s
                return
            buf = self._create_buffer()
        buf.append(s)
        if not self.overflowed and len(buf) >= self.overflow:
            self._set_large_buffer()

    def get(self, numbytes: int = -1, skip: bool = False) -> bytes:
        """The next bytes; with `skip` they are taken.

        Below STRBUF_LIMIT bytes, and without `skip`, all there is, whatever `numbytes` says.
        """
        if self.buf is None and not skip:
            return self.strbuf
        return (self.buf or self._create_buffer()).get(numbytes, skip)

    def skip(self, numbytes: int, allow_prune: bool | int = False) -> None:
        """Takes bytes without reading them. Raises ValueError when there are fewer."""
        if self.buf is None and allow_prune and numbytes == len(self.strbuf):
            self.strbuf = b""
            return
        (self.buf or self._create_buffer()).skip(numbytes, allow_prune)

    def prune(self) -> None:
        """Gives back the room of what was taken, and returns to memory below `overflow` bytes."""
        if self.buf is None:
            self.strbuf = b""
            return
        self.buf.prune()
        if self.overflowed and len(self.buf) < self.overflow:
            self._set_small_buffer()

    def getfile(self) -> Any:
        """The file object that holds the content from now on."""
        return (self.buf or self._create_buffer()).getfile()

    def close(self) -> None:
        """Frees the content."""
        if self.buf is not None:
            self.buf.close()
