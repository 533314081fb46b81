"""Tells a test that Python has come here, and waits when asked to."""

from __future__ import annotations

import os
import socket


def started(port: int) -> socket.socket:
    """Connect to the test; the test accepts, and so knows."""
    link = socket.create_connection(("127.0.0.1", port))
    link.sendall(str(os.getpid()).encode() + b"\n")
    return link


def wait_for_test(port: int) -> int:
    """Run until the test writes or closes; the number of bytes it wrote."""
    with started(port) as link:
        return len(link.recv(1))


def spin(port: int) -> None:
    """Run Python code for ever."""
    with started(port):
        while True:
            bytes(1000)  # ThreadSanitizer delivers a signal only in a call that it sees: malloc
