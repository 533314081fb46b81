#!/usr/bin/python3
"""A program that speaks docs/protocol.md on descriptors 3 and 4 without hosting anything.

It answers a CALL, EVAL or EXEC with the request's own term, and misbehaves when asked: by a word
in the environment variable FAKE_START (at start) or in the term of a request (later). With FAKE_IF
some faults happen only while there is a file of that name, so that a first start succeeds. Used by
the suites of the link, of the host and of the lanes.

With --bulk it has a bulk lane and answers there what is large. Of buffers it only notes what came
(`seen`), and says what a request asks it to say: `credit NUMBER UP_TO`, `deny NUMBER WHY`,
`forget NUMBER`. The same of channels and processes: it says what follows the word `utter`,
whole messages in hexadecimal digits. It takes every message for a channel at once.
"""
from __future__ import annotations

import os
import re
import select
import signal
import socket
import struct
import sys
import time

OK, EXCEPTION, ERROR, BULK, OUTPUT, DYING, BATCH = 0x80, 0x81, 0x82, 0x83, 0x90, 0x91, 0x7F
CREDIT, REFUSED, FORGOTTEN = 0xA0, 0xA1, 0xA2
BUFFER_NAMES = {0x20: "new", 0x21: "write", 0x22: "close", 0x23: "drop", 0x24: "wait"}
CHANNEL_NAMES = {0x30: "cnew", 0x31: "csend", 0x33: "cdrop", 0x34: "cwait"}
NUMBER_NAMES = {0x32: "cclose", 0x35: "ctaken", 0x36: "mtaken", 0x37: "process"}
PONG = b"\x83w\x04pong"
ATOM_OK = b"\x83w\x02ok"
ATOM_TRUE = b"\x83w\x04true"
ATOM_TIMEOUT = b"\x83w\x07timeout"

held: dict[int, bytes] = {}
seen: list[str] = []
taken: dict[int, int] = {}
lane: socket.socket | None = None


def atom(name: str) -> bytes:
    return b"w" + bytes([len(name)]) + name.encode()


def hello(protocol: int) -> bytes:
    """The map that answers HELLO."""
    pairs = [
        (atom("protocol"), b"a" + bytes([protocol])),
        (atom("version"), binary(b"fake")),
        (atom("python"), binary(b"none")),
        (atom("os_pid"), b"b" + struct.pack(">i", os.getpid())),
        (atom("frame_bytes_max"), b"b" + struct.pack(">i", 1 << 26)),
    ]
    return b"\x83t" + struct.pack(">I", len(pairs)) + b"".join(k + v for k, v in pairs)


def binary(data: bytes) -> bytes:
    return b"m" + struct.pack(">I", len(data)) + data


def read_exactly(descriptor: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(descriptor, count)
        if not part:
            os._exit(0)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write(data: bytes) -> None:
    while data:
        data = data[os.write(4, data) :]


def send(*messages: bytes) -> None:
    """One packet: a batch if there are several messages."""
    content = messages[0]
    if len(messages) > 1:
        parts = (struct.pack(">I", len(m)) + m for m in messages)
        content = bytes([BATCH]) + b"".join(parts)
    write(struct.pack(">I", len(content)) + content)


def answer(kind: int, request: int, term: bytes) -> bytes:
    return struct.pack(">BQ", kind, request) + term


def reply(kind: int, request: int, term: bytes) -> None:
    """An answer, on the lane that is meant for it."""
    if lane is None or not 0 < option("bulk-threshold", 98304) <= len(term):
        send(answer(kind, request, term))
    elif b"place_last" in term:
        send_on_lane(answer(kind, request, term))
        send(struct.pack(">BQ", BULK, request))
    else:
        send(struct.pack(">BQ", BULK, request))
        send_on_lane(answer(kind, request, term))


def send_on_lane(message: bytes) -> None:
    assert lane is not None
    lane.sendall(struct.pack(">I", len(message)) + message)


def option(name: str, default: int) -> int:
    given = [a.split("=", 1)[1] for a in sys.argv[1:] if a.startswith(f"--{name}=")]
    return int(given[0]) if given else default


def connect(path: str, name: int) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    stream.sendall(bytes([name]))
    return stream


def connect_all() -> None:
    global lane
    for argument in sys.argv[1:]:
        if argument.startswith("--stdio="):
            for descriptor in (1, 2):
                stream = connect(argument[len("--stdio=") :], descriptor)
                os.dup2(stream.fileno(), descriptor)
        elif argument.startswith("--bulk="):
            lane = connect(argument[len("--bulk=") :], 3)


def is_faulty() -> bool:
    return os.path.exists(os.environ.get("FAKE_IF", "/"))


def start(fault: str) -> None:
    """Faults before the hello."""
    if fault == "exit":
        os.write(2, b"no Python here\n")
        os._exit(69)
    elif fault == "garbage":
        write(b"GET / HTTP/1.1\r\n\r\n" * 10)
    elif fault == "torn":
        send(b"\x7f\x00\x00\x10\x00short")
    elif fault == "silence":
        signal.pause()


def misbehave(term: bytes, request: int) -> bool:
    """What the term asks for; true if the request is not to be answered now."""
    if b"die_segv" in term:
        os.write(2, b"said before\nFatal Python error: Segmentation fault\n\n  File x\n")
        os.kill(os.getpid(), signal.SIGSEGV)
    elif b"die_exit" in term:
        os._exit(7)
    elif b"die_slowly" in term and is_faulty():
        time.sleep(1.1)
        os._exit(7)
    elif b"die_orphan" in term:
        if os.fork() == 0:
            os.close(3)
            os.close(4)
            os.setsid()
            time.sleep(5)
            os._exit(0)
        os.write(2, b"left an orphan\n")
        os.kill(os.getpid(), signal.SIGKILL)
    elif b"die_memory" in term:
        send(answer(DYING, 0, b"\x83" + atom("memory_limit")))
        os._exit(1)
    elif b"bad_torn" in term:
        send(b"\x7f\x00\x00\x10\x00short")
    elif b"bad_op" in term:
        send(answer(0x55, request, ATOM_OK))
    elif b"bad_length" in term:
        write(b"\x7f\xff\xff\xff garbage for ever")
        signal.pause()
    elif b"hang" in term:
        signal.pause()
    elif b"garbage_lane" in term:
        send_on_lane(b"no answer")
    elif b"end_lane" in term:
        assert lane is not None
        lane.shutdown(socket.SHUT_RDWR)
        signal.pause()
    elif b"stop" in term:
        os.kill(os.getpid(), signal.SIGSTOP)
    elif b"hold" in term:
        held[request] = term
        seen.append("hold")
        send(struct.pack(">BQB", OUTPUT, 0, 1) + b"holding")
    elif b"seen" in term:
        send(answer(OK, request, b"\x83" + binary(" ".join(seen).encode())))
    else:
        return False
    return True


def run(request: int, context: int, env: int, timeout: int, term: bytes) -> None:
    if misbehave(term, request):
        return
    if b"raise" in term or (b"sometimes" in term and is_faulty()):
        parts = binary(b"ValueError") + binary("bad \u00e9".encode()) + binary(b"trace")
        send(answer(EXCEPTION, request, b"\x83h\x03" + parts))
    elif b"refuse" in term:
        send(answer(ERROR, request, ATOM_TIMEOUT))
    elif b"print" in term:
        send(struct.pack(">BQB", OUTPUT, context, 1) + b"printed", answer(OK, request, term))
    elif b"flood" in term:
        os.write(1, b"line\n" * 5000)
        send(answer(OK, request, term))
    elif b"unknown_id" in term:
        send(answer(OK, request + 1000000, term), answer(OK, request, term))
    elif b"release" in term:
        send(*(answer(OK, r, t) for r, t in held.items()), answer(OK, request, term))
        held.clear()
    elif said := re.search(rb"(credit|deny|forget) (\d+) (\d+)", term):
        word, number, value = said[1], int(said[2]), int(said[3])
        if word == b"credit":
            send(struct.pack(">BQQ", CREDIT, number, value), answer(OK, request, term))
        elif word == b"deny":
            send(struct.pack(">BQB", REFUSED, number, value), answer(OK, request, term))
        else:
            send(struct.pack(">BQ", FORGOTTEN, number), answer(OK, request, term))
    elif said := re.search(rb"utter ([0-9a-f ]+)", term):
        messages = [bytes.fromhex(word.decode()) for word in said[1].split()]
        send(*messages, answer(OK, request, term))
    elif b"where" in term:
        place = f"{context} {env} {timeout}".encode()
        send(answer(OK, request, b"\x83" + binary(place)))
    else:
        reply(OK, request, term)


def channel_info(number: int) -> bytes:
    size = b"b" + struct.pack(">i", taken.get(number, 0))
    pairs = [(atom("messages"), b"a\x00"), (atom("size"), b"a\x00"), (atom("taken"), size)]
    return b"\x83t" + struct.pack(">I", len(pairs)) + b"".join(k + v for k, v in pairs)


def control(op: int, request: int, term: bytes, where: str) -> None:
    if op == 0x01:
        send(answer(OK, request, hello(2 if os.environ.get("FAKE_START") == "version" else 1)))
    elif op == 0x02:
        seen.append("ping")
        send(answer(OK, request, PONG))
    elif op == 0x03:
        send(answer(OK, request, b"\x83t\x00\x00\x00\x01" + atom("rss_bytes") + b"a\x07"))
    elif op == 0x04:
        seen.append(f"{where}-cancel")
        held.pop(request, None)
    elif op == 0x09:
        send(answer(OK, request, channel_info(int.from_bytes(term[2:], "big"))))
    elif op in (0x06, 0x07):
        seen.append("open" if op == 0x06 else "close")
        send(answer(OK, request, ATOM_OK))
    else:
        send(answer(OK, request, ATOM_TRUE))


def message(data: bytes, where: str) -> None:
    op, request = struct.unpack_from(">BQ", data)
    if op < 0x10:
        control(op, request, data[9:], where)
        return
    if op == 0x31:
        taken[request] = taken.get(request, 0) + len(data) - 9
    if op in NUMBER_NAMES:
        values = (data[at : at + 8] for at in range(9, len(data), 8))
        numbers = "-".join(str(int.from_bytes(value, "big")) for value in values)
        seen.append(f"{where}-{NUMBER_NAMES[op]}-{request}-{numbers}")
        return
    if op in CHANNEL_NAMES:
        seen.append(f"{where}-{CHANNEL_NAMES[op]}-{request}-{len(data) - 9}")
        return
    if op in BUFFER_NAMES:
        seen.append(f"{where}-{BUFFER_NAMES[op]}-{request}-{len(data) - 9}")
        return
    if where == "lane":
        seen.append("lane-run")
    _, context, env, timeout = struct.unpack_from(">BIQI", data, 9)
    if op == 0x12:
        seen.append(f"exec-{context}")
    if op == 0x13:
        seen.append(f"drop-{context}")
        return
    run(request, context, env, timeout, data[26:])


def packet(descriptor: int, where: str) -> None:
    content = read_exactly(descriptor, struct.unpack(">I", read_exactly(descriptor, 4))[0])
    if content[0] != BATCH:
        message(content, where)
        return
    offset = 1
    while offset < len(content):
        (size,) = struct.unpack_from(">I", content, offset)
        message(content[offset + 4 : offset + 4 + size], where)
        offset += 4 + size


def main() -> None:
    connect_all()
    if is_faulty():
        start(os.environ.get("FAKE_START", ""))
    # The lane is read first: what has to be read after the link must not be sent before it was.
    sources = [(3, "link")] if lane is None else [(lane.fileno(), "lane"), (3, "link")]
    while True:
        ready = select.select([descriptor for descriptor, _ in sources], [], [])[0]
        descriptor, where = next(each for each in sources if each[0] in ready)
        packet(descriptor, where)


if __name__ == "__main__":
    main()
