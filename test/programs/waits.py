"""Calls that block in the operating system or in C, after an announcement."""

from __future__ import annotations

import re
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
    """A match that takes longer than the universe has."""
    with announce.started(port):
        re.match("(a+)+$", "a" * 64 + "b")


def swallow(port: int) -> None:
    """Ignore every interrupt."""
    with announce.started(port):
        while True:
            try:
                while True:
                    pass
            except BaseException:  # noqa: BLE001 -- that is the point
                continue
