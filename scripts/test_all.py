#!/usr/bin/env python3
"""Runs the test suites and counts what passed: test_all.py [SUITE...].

Every suite writes a log under build/test/. The last line of the output is `N passed, M failed`.
A suite that breaks off, or that runs no test at all, counts as one failure.
"""
from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOG_DIR = ROOT / "build" / "test"
LOG_LINES_SHOWN_MAX = 200
LOG_COLUMNS_SHOWN_MAX = 400
ESCRIPT_S_MAX = 600
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The suites about crashes, deadlines, output and buffers, which run again under the sanitizers.
# Tests that set memory_limit cannot: a sanitizer's shadow takes terabytes of addresses.
LIFE_SUITES = [
    "py_SUITE",
    "py_context_SUITE",
    "timeout_SUITE",
    "output_SUITE",
    "convert_SUITE",
    "buffer_block_SUITE",
    "py_buffer_SUITE",
    "py_channel_SUITE",
    "py_channel_life_SUITE",
]


@dataclass(frozen=True, slots=True)
class Count:
    passed: int
    failed: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Suite:
    """One command. `count` reads its output; None means that it did not get to its end.

    Without `count` the command is one test, and its exit status the verdict.
    """

    name: str
    command: list[str]
    count: Callable[[str], Count | None] | None
    limit_s: int
    environment: dict[str, str] = field(default_factory=dict)


def count_doctest(output: str) -> Count | None:
    found = re.search(r"test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed", output)
    return Count(int(found[1]), int(found[2])) if found else None


def count_unittest(output: str) -> Count | None:
    ran = re.search(r"^Ran (\d+) tests? in", output, re.MULTILINE)
    if not ran:
        return None
    bad = {kind: int(n) for kind, n in re.findall(r"(\w+)=(\d+)", output[ran.end() :])}
    failed = bad.get("failures", 0) + bad.get("errors", 0) + bad.get("successes", 0)
    skipped = bad.get("skipped", 0)
    return Count(int(ran[1]) - failed - skipped, failed, skipped)


def count_ct(output: str) -> Count | None:
    count = count_ct_cases(output)
    # Common test calls a case that could not clean up passed; we do not.
    unclean = len(re.findall(r"end_per_testcase FAILED", output))
    if count is None or unclean == 0:
        return count
    return Count(max(0, count.passed - unclean), count.failed + unclean, count.skipped)


def count_ct_cases(output: str) -> Count | None:
    everything = re.search(r"^All (\d+) tests passed", output, re.MULTILINE)
    if everything:
        return Count(int(everything[1]), 0)
    mixed = re.search(
        r"(?:Failed (\d+) tests\. )?(?:Skipped \d+ \((\d+), (\d+)\) tests\. )?Passed (\d+) tests",
        output,
    )
    if not mixed:
        return None
    failed, by_user, by_init, passed = (int(n or 0) for n in mixed.groups())
    # What an init function could not start was not tested: that is a failure.
    return Count(passed, failed + by_init, by_user)


def count_eunit(output: str) -> Count | None:
    found = re.search(r"(\d+) tests?, (\d+) failures?(?:, (\d+) skipped)?", output)
    if not found:
        return None
    total, failed, skipped = (int(n or 0) for n in found.groups())
    return Count(total - failed - skipped, failed, skipped)


def count_lines(output: str) -> Count | None:
    passed = len(re.findall(r"^ok - ", output, re.MULTILINE))
    failed = len(re.findall(r"^not ok - ", output, re.MULTILINE))
    return Count(passed, failed) if passed + failed else None


def build_directory(preset: str) -> str:
    command = ["scripts/build-port", preset, "pyport_tests"]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True).stdout.strip()


def escripts(
    prefix: str, directory: str, count: Callable[[str], Count | None] | None
) -> list[Suite]:
    return [
        Suite(f"{prefix} {path.stem}", ["escript", str(path)], count, ESCRIPT_S_MAX)
        for path in sorted((ROOT / directory).glob("*.escript"))
    ]


def ct(suites: list[str]) -> list[Suite]:
    environment = {}
    program = os.environ.get("PYPORT_PROGRAM")
    command = ["rebar3", "ct", "--readable=true"]
    if suites:
        command += ["--suite", ",".join(f"test/erlang/{suite}" for suite in suites)]
        command += ["--multiply_timetraps", "10"]
    if program:
        environment["ERL_FLAGS"] = f"-pyport program '\"{program}\"'"
    return [Suite("erlang", command, count_ct, 1800, environment)]


def eunit() -> list[Suite]:
    sources = [*ROOT.glob("erlang_src/*.erl"), *ROOT.glob("test/erlang/*_tests.erl")]
    if not any("eunit.hrl" in path.read_text(encoding="utf-8") for path in sources):
        return []
    return [Suite("eunit", ["rebar3", "eunit"], count_eunit, 300)]


def port() -> list[Suite]:
    return [Suite("port", [f"{build_directory('release')}/pyport_tests"], count_doctest, 120)]


def python() -> list[Suite]:
    program = os.environ.get("PYPORT_PROGRAM", "priv/pyport")
    command = [sys.executable, "test/python/run_in_program.py", program, "python_lib"]
    return [Suite("python", command, count_unittest, 300, {"PYTHONDONTWRITEBYTECODE": "1"})]


SUITES: dict[str, Callable[[], list[Suite]]] = {
    "port": port,
    "python": python,
    "eunit": eunit,
    "erlang": lambda: ct([]),
    "smoke": lambda: escripts("smoke", "test/smoke", count_lines),
    "packaging": lambda: escripts("packaging", "test/packaging", count_lines),
    "examples": lambda: escripts("example", "examples", None),
    "sanitized": lambda: ct(LIFE_SUITES),
}
DEFAULT = [name for name in SUITES if name != "sanitized"]


def run_bounded(suite: Suite, log: Path) -> int | None:
    """The exit status, or None where the limit was reached; then the whole group is killed."""
    environment = {"PYPORT_PROGRAM": str(ROOT / "priv" / "pyport"), **os.environ}
    with log.open("wb") as output, subprocess.Popen(
        suite.command,
        cwd=ROOT,
        env={**environment, **suite.environment},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(suite.limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


def run(suite: Suite) -> Count:
    log = LOG_DIR / (suite.name.replace(" ", "-") + ".log")
    started = time.monotonic()
    try:
        status = run_bounded(suite, log)
    except OSError as error:
        log.write_text(f"{error}\n", encoding="utf-8")
        status = None
    text = COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace"))
    count = count_of(suite, status, text)
    seconds = time.monotonic() - started
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    print(f"{suite.name}: {count.passed} passed, {count.failed} failed{skipped} ({seconds:.1f} s)")
    if count.failed:
        for line in text.splitlines()[-LOG_LINES_SHOWN_MAX:]:
            print(line[:LOG_COLUMNS_SHOWN_MAX])
        print(f"{suite.name}: {why(suite, status)}; the whole log: {log.relative_to(ROOT)}")
    sys.stdout.flush()
    return count


def count_of(suite: Suite, status: int | None, text: str) -> Count:
    if suite.count is None:
        return Count(1, 0) if status == 0 else Count(0, 1)
    count = suite.count(text)
    if count is None or count.passed + count.failed == 0:
        return Count(0, 1)
    if status != 0 and count.failed == 0:
        return Count(count.passed, 1, count.skipped)
    return count


def why(suite: Suite, status: int | None) -> str:
    if status is None:
        return f"not finished within {suite.limit_s} s"
    return f"exit status {status}"


def main() -> int:
    unknown = [name for name in sys.argv[1:] if name not in SUITES]
    if unknown:
        print(f"unknown suite {unknown[0]}; there are: {' '.join(SUITES)}", file=sys.stderr)
        return 64
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    names = sys.argv[1:] or DEFAULT
    counts = []
    for name in names:
        suites = SUITES[name]()
        if not suites and name not in {"eunit"}:
            print(f"{name}: there is no such test")
            counts.append(Count(0, 1))
        counts += [run(suite) for suite in suites]
    passed = sum(count.passed for count in counts)
    failed = sum(count.failed for count in counts)
    skipped = sum(count.skipped for count in counts)
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
