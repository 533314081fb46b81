#!/usr/bin/env python3
"""The rules no compiler checks. Run by `make check`; prints file:line: rule, exits 1 if any.

Each rule says what to write instead. A line may opt out with `tidy: allow RULE -- reason`.
"""
from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LINE_COLUMNS_MAX = {".erl": 80, ".hrl": 80, ".escript": 80}
LINE_COLUMNS_MAX_DEFAULT = 100
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

ERLANG = {".erl", ".hrl", ".escript"}
NOT_CPP = r"\.(py|erl|hrl|escript)$"
NOT_ERLANG = r"\.(py|cpp|hpp|c)$"

# (rule, pattern, files where it is allowed, what to do instead)
BANNED: list[tuple[str, str, str, str]] = [
    ("python-h", r'#include\s*[<"]Python\.h', r"^port/py/|^test/", "only port/py/ knows CPython"),
    ("ei-h", r"#include\s*<ei\.h>", r"^port/etf/|^test/", "only port/etf/ knows ei"),
    ("asio-h", r"#include\s*<asio", r"^port/reactor/|^test/", "only port/reactor/ knows Asio"),
    ("decref", r"\bPy_X?(DECREF|INCREF|CLEAR)\b", r"^port/py/(ref|decref_queue)\.|^test/", "PyRef"),
    (
        "gilstate",
        r"\bPyGILState_|\bPyEval_(Save|Restore)Thread",
        r"^port/py/(gil|interpreter)\.|^test/",
        "GilHeld or GilReleased",
    ),
    ("throw", r"\bthrow\b", r"\.py$", "return Result, or PYPORT_CHECK"),
    (
        "catch",
        r"\bcatch\s*\(",
        r"^port/(main|py/context|py/module_erlang)\.",
        "three boundary files catch, nobody else",
    ),
    (
        "new-delete",
        r"(?<![\w.])(new|delete)\s+[A-Za-z_:]|\bmalloc\(",
        NOT_CPP,
        "make_unique or a member",
    ),
    ("stdout", r"std::cout|\bprintf\(|\bputs\(", r"^test/|^bench/", "log(): fd 1 is not ours"),
    ("mutex", r"std::(mutex|lock_guard|unique_lock)\b", r"^port/sys/mutex\.", "Mutex, MutexLock"),
    ("detached", r"asio::detached|\.detach\(\)", r"^$", "a handler that reports the error"),
    ("capture-all", r"\[\s*=\s*[\],]", r"^$", "name every capture"),
    (
        "sleep",
        r"sleep_for|timer:sleep|time\.sleep",
        r"^bench/|^test/programs/",
        "wait for an event with a deadline",
    ),
    ("fixme", r"\bFIXME\b|\bXXX\b", r"^test/tidy\.py", "fix it, or TODO(kind): sentence"),
    (
        "todo",
        r"\bTODO\b(?!\((perf|someday|cleanup|test|security)\): )",
        r"^test/tidy\.py",
        "TODO(kind): sentence",
    ),
    ("here", r"/(work|root|home)/\w|/tmp/w/", r"^$", "no path of one machine"),
    (
        "reason",
        r"\b(NOLINT|noqa|type: ignore)(?!.* -- )",
        r"^port/core/result\.",
        "a suppression says why: -- reason",
    ),
    ("nosuspend", r"\bnosuspend\b", r"^$", "port_command/2: the port may stay busy for ever"),
    (
        "unsafe-term",
        r"\bbinary_to_term\(",
        r"^erlang_src/pyport_term|^(test|bench)/|" + NOT_ERLANG,
        "pyport_term:decode/1: [safe] and bounded",
    ),
    (
        "new-atom",
        r"\b(binary|list)_to_atom\(",
        r"^erlang_src/pyport_term|^(test|bench)/|" + NOT_ERLANG,
        "an existing atom, or pyport_term's budget",
    ),
    (
        "catch-all",
        r"\bcatch\s+_:_|\(catch\b|=\s*catch\b",
        NOT_ERLANG,
        "name the class and the reason",
    ),
    ("half-comment", r"^\s*%(?![%!])", NOT_ERLANG, "%% and a full line"),
]
# Includes go down only: a folder may include a lower one or itself. main.cpp sees all.
LAYERS = {"core": 0, "sys": 1, "etf": 2, "wire": 3}
LAYERS |= {"link": 4, "store": 4, "reactor": 4, "host": 5, "py": 5}
CODE = {".cpp", ".hpp", ".c", ".py"} | ERLANG

COMMENT = {
    ".cpp": r"//.*",
    ".hpp": r"//.*",
    ".c": r"//.*",
    ".erl": r"(?<!\$)%.*",
    ".hrl": r"(?<!\$)%.*",
    ".escript": r"(?<!\$)%.*",
}
WHOLE_LINE = {"fixme", "todo", "here", "reason", "half-comment"}


def line_rules(path: str, text: str) -> Iterator[tuple[int, str, str]]:
    suffix = Path(path).suffix
    columns_max = LINE_COLUMNS_MAX.get(suffix, LINE_COLUMNS_MAX_DEFAULT)
    own = path.split("/")[1] if path.startswith("port/") and path.count("/") > 1 else None
    for number, line in enumerate(text.split("\n"), 1):
        included = re.match(r'#include "(\w+)/', line)
        if own in LAYERS and included and included[1] in LAYERS and included[1] != own:
            if LAYERS[included[1]] >= LAYERS[own]:
                yield number, "layer", f"{own} is not above {included[1]}"
        code = re.sub(COMMENT.get(suffix, r"\Z"), "", line)
        if len(line) > columns_max and "http" not in line:
            yield number, "columns", f"{len(line)} > {columns_max}"
        if line != line.rstrip():
            yield number, "trailing-space", "strip it"
        if "\t" in line and Path(path).name != "Makefile":
            yield number, "tab", "spaces"
        for rule, pattern, allowed, instead in BANNED:
            subject = line if rule in WHOLE_LINE else code
            if path == "test/tidy.py" or f"tidy: allow {rule} -- " in line:
                continue
            if re.search(pattern, subject) and not re.search(allowed, path):
                yield number, rule, instead


def function_rules(paths: list[str]) -> Iterator[tuple[str, int, str, str]]:
    if not paths:
        return
    command = [
        "ctags",
        "--fields=+ne",
        "--kinds-C++=f",
        "--kinds-Python=fm",
        "--langmap=C++:+.hpp",
        "-x",
        "--_xformat=%{input}\t%n\t%e\t%N",
        *paths,
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for row in output.splitlines():
        path, start, end, name = row.split("\t")
        if end and int(end) - int(start) + 1 > FUNCTION_LINES_MAX:
            yield path, int(start), "function-lines", f"{name}: {int(end) - int(start) + 1} lines"


def erlang_function_rules(path: str, text: str) -> Iterator[tuple[str, int, str, str]]:
    """A function goes from its first head in column one to the line that ends with a full stop."""
    start, name = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        code = re.sub(COMMENT[".erl"], "", line).rstrip()
        head = re.match(r"([a-z]\w*)\(", code)
        if head and not start:
            start, name = number, head[1]
        if start and code.endswith("."):
            if number - start + 1 > FUNCTION_LINES_MAX:
                yield path, start, "function-lines", f"{name}: {number - start + 1} lines"
            start = 0


def main() -> int:
    names = (
        sys.argv[1:]
        or subprocess.run(
            ["git", "ls-files"], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    paths = [p for p in names if Path(p).suffix in CODE and Path(p).exists()]
    found = list(function_rules([p for p in paths if Path(p).suffix not in ERLANG]))
    for path in paths:
        text = Path(path).read_text(encoding="utf-8")
        found += [(path, n, rule, why) for n, rule, why in line_rules(path, text)]
        if Path(path).suffix in ERLANG:
            found += erlang_function_rules(path, text)
        if text.count("\n") > FILE_LINES_MAX:
            found.append((path, 1, "file-lines", f"over {FILE_LINES_MAX}: split it"))
    for path, number, rule, why in sorted(found):
        print(f"{path}:{number}: {rule}: {why}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
