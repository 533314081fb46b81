"""What the tests of erlang.PyBuffer share."""
from __future__ import annotations

import threading

from erlang import PyBuffer

DEADLINE_S = 20


def known(data: bytes) -> PyBuffer:
    """A buffer whose announced length is there."""
    return PyBuffer._test_create(data)


def stream(data: bytes = b"", **options: int) -> PyBuffer:
    """A buffer that is still written, of unknown length."""
    return PyBuffer._test_create(data, None, **options)


def ended(data: bytes) -> PyBuffer:
    """A buffer of unknown length that was closed by its writer."""
    buffer = stream(data)
    buffer._test_end()
    return buffer


def cut_off(data: bytes) -> PyBuffer:
    """A buffer whose writer died."""
    buffer = stream(data)
    buffer._test_end(True)
    return buffer


class Sleeper(threading.Thread):
    """Runs a function that blocks; `result()` waits for what it returned or raised."""

    def __init__(self, function, *arguments) -> None:
        super().__init__(daemon=True)
        self.begun = threading.Event()
        self._function, self._arguments = function, arguments
        self.start()
        self.begun.wait(DEADLINE_S)

    def run(self) -> None:
        self.begun.set()
        try:
            self.value, self.error = self._function(*self._arguments), None
        except Exception as error:
            self.value, self.error = None, error

    def result(self):
        self.join(DEADLINE_S)
        if self.is_alive():
            raise AssertionError("still asleep")
        if self.error is not None:
            raise self.error
        return self.value
