"""The other end of the link for the Python tests: processes and channels without a BEAM.

Speaks docs/protocol.md without batches. Python gets the fixture (beam_case.py): pids and channels.

* `alive` is a process that lives. What is sent to one comes back on the term channel `mailbox`, as
  the tuple of its pid and the term. `mortal` ends when it is sent "end", `dead` has ended before.
* `control` takes commands as text: "close N", "drop N", and "credit off", after which nothing more
  is told to be taken until "credit on".
* Whatever Python sends to a channel comes back on the same channel.
"""
from __future__ import annotations

import struct
from typing import BinaryIO

CALL, EXEC = 0x10, 0x12
CHANNEL_NEW, CHANNEL_SEND, CHANNEL_CLOSE, CHANNEL_DROP = 0x30, 0x31, 0x32, 0x33
CHANNEL_TAKEN, MESSAGES_TAKEN, PROCESS = 0x35, 0x36, 0x37
OK, EXCEPTION, ERROR = 0x80, 0x81, 0x82
MESSAGE, CLOSED, SEND, WATCH, UNWATCH = 0xB0, 0xB2, 0xB4, 0xB5, 0xB8

FRAME_BYTES_MAX = 16 << 20
NODE = b"w\x0dnonode@nohost"
ALIVE, MORTAL, DEAD, CONTROL = 11, 12, 13, 14
MAILBOX, TERMS, BYTES, SMALL, DOOMED = 1, 2, 3, 4, 5
SMALL_BYTES_MAX = 1000
KINDS = {MAILBOX: (0, 0), TERMS: (0, 0), BYTES: (1, 0), SMALL: (1, SMALL_BYTES_MAX), DOOMED: (0, 0)}


def pid(number: int) -> bytes:
    return b"X" + NODE + struct.pack(">III", number, 0, 1)


def reference(number: int) -> bytes:
    return b"Z\x00\x03" + NODE + struct.pack(">IIII", 1, number, 0, 7)


def binary(data: bytes) -> bytes:
    return b"m" + struct.pack(">I", len(data)) + data


def atom(name: str) -> bytes:
    return b"w" + bytes([len(name)]) + name.encode()


def items(*terms: bytes) -> bytes:
    return b"l" + struct.pack(">I", len(terms)) + b"".join(terms) + b"j"


class FakeBeam:
    """Sends requests and does what a BEAM does until each is answered."""

    def __init__(self, to_program: BinaryIO, from_program: BinaryIO) -> None:
        self._to, self._from = to_program, from_program
        self._last_id = 0
        self._watched: dict[bytes, int] = {}  # pid -> key
        self._dead = {pid(DEAD)}
        self._credit = True
        self._messages_taken = 0
        self._taken = dict.fromkeys(KINDS, (0, 0))  # sizes, and how many
        self._weights = dict.fromkeys(KINDS, 0)  # of what was sent to Python
        self._closed: set[int] = set()

    def open_channels(self) -> None:
        for number, (kind, bytes_max) in KINDS.items():
            body = struct.pack(">BQ", kind, bytes_max) + b"\x83" + reference(number)
            self._send(CHANNEL_NEW, number, body)

    def give_fixture(self) -> bool:
        pids = [pid(number) for number in (ALIVE, MORTAL, DEAD, CONTROL)]
        channels = [reference(number) for number in KINDS]
        foreign = reference(99)
        arguments = items(items(*pids), items(*channels), foreign)
        call = b"h\x04" + atom("beam_case") + atom("take_fixture") + arguments + b"t\0\0\0\0"
        return self.run(CALL, b"\x83" + call)

    def execute(self, code: str) -> bool:
        return self.run(EXEC, b"\x83" + binary(code.encode()))

    def run(self, operation: int, term: bytes) -> bool:
        """Whether the request ended well."""
        self._last_id += 1
        self._send(operation, self._last_id, bytes(17) + term)
        while (packet := self._receive()) is not None:
            answer, number, body = packet[0], *struct.unpack(">Q", packet[1:9]), packet[9:]
            if answer in (OK, EXCEPTION, ERROR):
                return answer == OK
            self._handle(answer, number, body)
        return False

    def _handle(self, operation: int, number: int, body: bytes) -> None:
        if operation == WATCH:
            self._watched[body] = number
            self._send(PROCESS, number, bytes([body not in self._dead]))
        elif operation == UNWATCH:
            self._watched = {p: key for p, key in self._watched.items() if key != number}
        elif operation == SEND:
            self._message(body)
        elif operation == MESSAGE:
            self._put(number, body)
            size, count = self._taken[number]
            self._taken[number] = size + len(body), count + 1
            if self._credit:
                self._send(CHANNEL_TAKEN, number, struct.pack(">QQ", *self._taken[number]))
        elif operation == CLOSED:
            self._close(number)

    def _message(self, body: bytes) -> None:
        size = struct.unpack(">H", body[:2])[0]
        to, term = body[2 : 2 + size], body[2 + size :]
        self._messages_taken += 9 + len(body)
        if to == pid(CONTROL):
            self._obey(*term[6:].decode().split())
        elif to == pid(MORTAL) and term[6:] == b"end":
            self._dead.add(to)
            self._send(PROCESS, self._watched[to], b"\0")
        if self._credit:
            self._send(MESSAGES_TAKEN, 0, struct.pack(">Q", self._messages_taken))
        if to not in (pid(CONTROL), *self._dead) or term[6:] == b"end":
            self._put(MAILBOX, b"\x83h\x02" + to + term[1:])

    def _obey(self, command: str, argument: str) -> None:
        if command == "credit":
            self._credit = argument == "on"
            for number, taken in self._taken.items():
                if self._credit:
                    self._send(CHANNEL_TAKEN, number, struct.pack(">QQ", *taken))
        elif command == "close":
            self._close(int(argument))
        else:
            self._send(CHANNEL_DROP, int(argument), b"")

    def _put(self, number: int, message: bytes) -> None:
        if number not in self._closed:
            self._weights[number] += len(message) or 1
            self._send(CHANNEL_SEND, number, message)

    def _close(self, number: int) -> None:
        if number not in self._closed:
            self._closed.add(number)
            self._send(CHANNEL_CLOSE, number, struct.pack(">Q", self._weights[number]))

    def _send(self, operation: int, number: int, body: bytes) -> None:
        message = struct.pack(">BQ", operation, number) + body
        self._to.write(struct.pack(">I", len(message)) + message)
        self._to.flush()

    def _receive(self) -> bytes | None:
        head = self._from.read(4)
        return self._from.read(struct.unpack(">I", head)[0]) if len(head) == 4 else None
