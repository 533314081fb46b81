"""What examples/channel_throughput.escript asks of Python: how many messages come in a second."""

from __future__ import annotations

import time

from erlang import Channel

REPORT_S = 0.5
LOOK_EVERY = 256


def measure(messages: Channel, reports: Channel) -> int:
    """Takes all messages; reports (count, seconds) now and then, and the sum in the end."""
    total = 0
    reported = 0
    since = time.monotonic()
    for total, _ in enumerate(messages, 1):
        if total % LOOK_EVERY:
            continue
        now = time.monotonic()
        if now - since >= REPORT_S:
            reports.send((total - reported, now - since))
            reported = total
            since = now
    reports.send(total)
    return total
