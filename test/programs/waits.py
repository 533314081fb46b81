"""Calls that block in the operating system or in C, after an announcement."""

from __future__ import annotations

import collections
import itertools
import socket
import threading
import time

import announce


def sleep(port: int) -> None:
    with announce.started(port):
        time.sleep(3600)


def lock(port: int) -> None:
    held = threading.Lock()
    held.acquire()
    with announce.started(port):
        held.acquire()


def recv(port: int) -> bytes:
    with announce.started(port) as link:
        return link.recv(1)


def loop_in_c(port: int) -> None:
    """Go round in C for ever, where no signal is looked at."""
    with announce.started(port) as link:
        said = map(link.send, [b"in the loop"])
        collections.deque(itertools.chain(said, itertools.repeat(0)), maxlen=0)


def swallow(port: int) -> None:
    """Ignore every interrupt, from before the announcement on."""
    link: list[socket.socket] = []
    while True:
        try:
            if not link:
                link.append(announce.started(port))
                link[0].sendall(b"in the loop")
            while True:
                pass
        except BaseException:  # noqa: BLE001 -- that is the point
            continue
