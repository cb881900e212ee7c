# SPDX-License-Identifier: Apache-2.0
"""`python -m fuzz`: damaged input on every surface, with limits on time and memory."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fuzz.run import Findings, run_surface
from fuzz.table import all_surfaces
from fuzz.trial import try_input


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 nothing found, 1 something, 2 a wrong name."""
    options = _parser().parse_args(argv)
    names = options.surface or list(all_surfaces())
    unknown = [name for name in names if name not in all_surfaces()]
    if unknown:
        print(f"fuzz: {unknown[0]} is no surface; known: {', '.join(all_surfaces())}.")
        return 2
    if options.input is not None:
        return _one(names[0], options.seed, options.input, options.save)
    found = 0
    for name in names:
        begun = time.monotonic()
        findings = run_surface(name, options.inputs, options.seed, options.seconds, lambda _: None)
        _tell(name, findings, time.monotonic() - begun)
        found += len(findings.kinds)
    print(f"{found} kinds of findings on {len(names)} surfaces")
    return 1 if found else 0


def _tell(name: str, findings: Findings, seconds: float) -> None:
    taken, refused = findings.counts["taken"], findings.counts["refused"]
    print(
        f"{name:20} {findings.inputs:8} inputs, {taken} taken, {refused} refused, slowest "
        f"{findings.slowest:.2f} s, in {seconds:.0f} s",
        flush=True,
    )
    for kind, indices in sorted(findings.kinds.items(), key=lambda item: -len(item[1])):
        print(f"    {len(indices)} times, first at --input {indices[0]}: {kind}", flush=True)


def _one(name: str, seed: int, index: int, save: Path | None) -> int:
    data = all_surfaces()[name].input(seed, index)
    if save is not None:
        save.write_bytes(data)
    trial = try_input(all_surfaces()[name], data)
    print(f"{name} {index}: {len(data)} bytes, {trial.outcome} {trial.text}")
    return int(trial.is_finding)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("surface", nargs="*", help="all if left out")
    parser.add_argument("--inputs", type=int, default=1000, help="for each surface")
    parser.add_argument("--seconds", type=float, help="at most, for each surface")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--input", type=int, help="tries this one input, here and without limits")
    parser.add_argument("--save", type=Path, help="with --input: a file to write it to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
