"""Reads a buffer that nobody writes, until it is interrupted or the test lets it end."""

from __future__ import annotations

import os
import signal
import threading

import announce

import erlang

seen: list[str] = []
empty = erlang.PyBuffer._test_create(b"", None)


def run(code: str, port: int) -> object:
    """Evaluate `code`, in which `empty` is a buffer, once the test knows."""
    with announce.started(port):
        return eval(code)


def read_twice(port: int) -> None:
    """Catch the interrupt of a read, and go on long enough to get another one."""
    seen.clear()
    with announce.started(port):
        try:
            empty.read()
        except KeyboardInterrupt:
            seen.append("interrupted")
        for _ in range(100_000):
            pass
        seen.append("went on")


def catch_and_read(port: int, second_port: int) -> None:
    """Catch an interrupt in Python code, then read until the test closes its second socket."""
    buffer = erlang.PyBuffer._test_create(b"", None)
    seen.clear()

    def end_when_told() -> None:
        announce.wait_for_test(second_port)
        buffer._test_end()

    try:
        announce.spin(port)
    except KeyboardInterrupt:
        seen.append("interrupted")
    threading.Thread(target=end_when_told).start()
    seen.append(repr(buffer.read()))


def read_in_forked(buffer: erlang.PyBuffer) -> int:
    """The exit status of a child that reads: 7 if every read raised an OSError."""
    reads = (
        lambda: buffer.read(1),
        lambda: buffer.read(50_000),
        buffer.read,
        buffer.readline,
        lambda: buffer.peek(1),
        lambda: buffer.readinto(bytearray(10)),
        lambda: buffer.read_nonblock(10),
    )
    buffer.read(1)
    pid = os.fork()
    if pid == 0:
        raised = 0
        for read in reads:
            try:
                read()
            except OSError:
                raised += 1
        os._exit(7 if raised == len(reads) else 42)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def read_with_handler(port: int) -> bytes:
    """Read what a signal handler writes."""
    buffer = erlang.PyBuffer._test_create(b"", None)
    signal.signal(signal.SIGUSR1, lambda *_: buffer._test_write(b"handled"))
    with announce.started(port):
        return buffer.read(100)
