#!/usr/bin/env python3
"""Runs the unittest files of this directory inside the port program: run_in_program.py PROGRAM LIB.

The tests need the built-in module `_erlang`, which only the program has. Speaks docs/protocol.md:
one EXEC whose code runs the tests, with every warning an error, and reads one answer.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXEC, OK = 0x12, 0x80
REQUEST_ID = 1
HERE = Path(__file__).resolve().parent
# An Erlang port has the link at the descriptors 3 and 4; a shell puts our pipes there.
AS_LINK = 'exec "$0" "$@" 3<&0 4>&1 1>&2'

CODE = """
import unittest
tests = unittest.defaultTestLoader.discover({directory!r})
result = unittest.TextTestRunner(verbosity=2, warnings="error").run(tests)
assert result.wasSuccessful()
"""


def exec_packet(code: str) -> bytes:
    raw = code.encode()
    binary = b"\x83m" + len(raw).to_bytes(4, "big") + raw
    message = bytes([EXEC]) + REQUEST_ID.to_bytes(8, "big") + bytes(17) + binary
    return len(message).to_bytes(4, "big") + message


def main() -> int:
    program, library = sys.argv[1:3]
    command = ["/bin/sh", "-c", AS_LINK, program, f"--lib={library}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(exec_packet(CODE.format(directory=str(HERE))))
        process.stdin.flush()
        size = int.from_bytes(process.stdout.read(4), "big")
        answer = process.stdout.read(size)
        process.stdin.close()
    return 0 if answer[:1] == bytes([OK]) else 1


if __name__ == "__main__":
    sys.exit(main())
