#!/usr/bin/env python3
"""Runs the unittest files of this directory inside the port program: run_in_program.py PROGRAM LIB.

The tests need the built-in module `_erlang`, which only the program has. They are one EXEC, with
every warning an error; the other end of the link is fake_beam.py. Names of tests that follow the
two arguments choose what is run.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fake_beam import FRAME_BYTES_MAX, FakeBeam

HERE = Path(__file__).resolve().parent
# An Erlang port has the link at the descriptors 3 and 4; a shell puts our pipes there.
AS_LINK = 'exec "$0" "$@" 3<&0 4>&1 1>&2'

PATH = """
import sys
sys.path.insert(0, {directory!r})
"""
CODE = """
import unittest
loader = unittest.defaultTestLoader
tests = loader.loadTestsFromNames({names!r}) if {names!r} else loader.discover({directory!r})
result = unittest.TextTestRunner(verbosity=2, warnings="error").run(tests)
assert result.wasSuccessful()
"""


def main() -> int:
    program, library, *names = sys.argv[1:]
    options = [f"--lib={library}", f"--frame-bytes-max={FRAME_BYTES_MAX}"]
    command = ["/bin/sh", "-c", AS_LINK, program, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        beam = FakeBeam(process.stdin, process.stdout)
        beam.open_channels()
        passed = (
            beam.execute(PATH.format(directory=str(HERE)))
            and beam.give_fixture()
            and beam.execute(CODE.format(directory=str(HERE), names=names))
        )
        process.stdin.close()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
