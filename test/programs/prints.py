"""Output by every road there is."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading


def from_python(text: str) -> None:
    print(text)


def from_python_to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def from_c(text: str) -> None:
    libc = ctypes.CDLL(None)
    libc.puts(text.encode())
    libc.fflush(None)


def from_descriptor(fd: int, data: bytes) -> int:
    return os.write(fd, data)


def from_child(text: str) -> None:
    subprocess.run(["/bin/echo", text], check=True)


def many(lines: int) -> None:
    for number in range(lines):
        print("line", number)


def from_thread(text: str) -> None:
    thread = threading.Thread(target=print, args=(text,))
    thread.start()
    thread.join()


def from_forked(text: str) -> int:
    pid = os.fork()
    if pid == 0:
        print(text)
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
