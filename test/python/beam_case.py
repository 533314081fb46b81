"""What the other end of the link (fake_beam.py) has given to Python: pids and channels."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from erlang import ByteChannel, Channel, Pid, send


@dataclass(slots=True)
class Fixture:
    alive: Pid
    mortal: Pid
    dead: Pid
    control: Pid
    mailbox: Channel
    terms: Channel
    bytes: ByteChannel
    small: ByteChannel  # max_size of 1000
    doomed: Channel  # to be dropped
    foreign: Any  # a reference that is nothing here


given: list[Fixture] = []


def take_fixture(pids: list[Pid], channels: list[Any], foreign: Any) -> None:
    given.append(Fixture(*pids, *channels, foreign))


def command(text: str) -> None:
    """Tells the other end what to do."""
    send(given[0].control, text)
