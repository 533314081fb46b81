#!/usr/bin/env python3
"""Runs every fuzz target of a build directory: fuzz.py BUILD_DIRECTORY RUNS.

The corpus starts from the golden vectors: each packet, the messages of a batch, the terms.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "test" / "vectors" / "frames.txt"
BATCH = b"\x7f"
BATCH_HEADER_BYTES = 5  # the operation and the first length
TERM = b"\x83"
INPUT_BYTES_MAX = 4096
INPUT_S_MAX = 10


def golden_inputs() -> list[bytes]:
    """Contents of packets, then what they are made of; those that break the link as well."""
    contents = []
    for line in VECTORS.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if len(words) == 2 and not line.startswith("#"):
            contents.append(bytes.fromhex(words[1]))
    messages = [content[BATCH_HEADER_BYTES:] for content in contents if content[:1] == BATCH]
    terms = [text[text.find(TERM) :] for text in contents + messages if TERM in text]
    return list(dict.fromkeys(contents + messages + terms))


def main() -> int:
    directory, runs = Path(sys.argv[1]), int(sys.argv[2])
    targets = sorted(path for path in (ROOT / directory).glob("*_fuzz") if path.is_file())
    if not targets:
        print(f"no fuzz target in {directory}", file=sys.stderr)
        return 1
    inputs = golden_inputs()
    for target in targets:
        corpus = ROOT / "build" / "corpus" / target.name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (corpus / f"golden-{number:03}").write_bytes(data)
        print(f"{target.name}: {runs} runs", flush=True)
        command = [
            str(target),
            str(corpus),
            f"-runs={runs}",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-timeout={INPUT_S_MAX}",
            f"-artifact_prefix={corpus.parent}/",
            "-verbosity=0",
        ]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            print(f"{target.name}: failed; the input is in {corpus.parent}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
