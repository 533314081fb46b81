"""One way to end the process per function."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys

import announce


def null_pointer() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def exit_now(status: int) -> None:
    os._exit(status)


def last_words(words: str, status: int) -> None:
    """Say something on the raw stderr and end."""
    os.write(2, words.encode() + b"\n")
    os._exit(status)


def python_last_words(words: str, status: int) -> None:
    print(words, file=sys.stderr, flush=True)
    os._exit(status)


def write_into_every_descriptor() -> None:
    for fd in range(3, 4096):
        with contextlib.suppress(OSError):
            os.write(fd, b"garbage that is no frame")


def close_every_descriptor() -> None:
    os.closerange(0, 4096)


def eat_memory() -> None:
    """Take all memory there is, and keep trying when there is no more."""
    kept = []
    while True:
        with contextlib.suppress(MemoryError):
            kept.append(bytearray(b"x" * (1 << 20)))


def out_of_memory_in_c() -> None:
    """Do what C code does that does not look at what malloc gave it."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.memset(ctypes.c_void_p(libc.malloc(1 << 34)), 1, 64)


def wait_then_crash(port: int) -> None:
    announce.wait_for_test(port)
    null_pointer()


def lift_the_limit_and_grow() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    hoard = []
    while True:
        hoard.append(bytearray(1 << 24))
