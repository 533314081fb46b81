#!/usr/bin/env python3
"""Runs every fuzz target of a build directory: fuzz.py BUILD_DIRECTORY RUNS.

The corpus starts from the golden vectors: each frame, its message body and the terms in it.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INPUT_BYTES_MAX = 4096
INPUT_S_MAX = 10


def golden_inputs() -> list[bytes]:
    inputs = []
    text = (ROOT / "test" / "vectors" / "frames.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith("#"):
            continue
        frame = bytes.fromhex(words[1])
        inputs += [frame, frame[4:]]
        version = frame.find(b"\x83")
        if version >= 0:
            inputs.append(frame[version:])
    return inputs


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
