# SPDX-License-Identifier: Apache-2.0
"""How often the intervals of `segrgbx compare` hold the truth, on drives made at random.

    python -m benchmarks.intervals [DRIVES]

A drive has four classes whose size, difficulty and own mistakes in the second run drift from
frame to frame: each is `like` times the frame before and a random part, so that neighbours
correlate by `like`. The truth is that of 200,000 frames. Beside it the intervals that frames taken
as independent would give.
"""

import sys
import time

import numpy as np

from segrgbx_core.runs.comparison.bootstrap import Resampling
from segrgbx_core.runs.comparison.differences import compare_ious
from segrgbx_core.runs.scores import IouParts, Pixels

NAMES = ("a", "b", "c", "d")
CASES = ((100, 0.5), (300, 0.0), (300, 0.8), (1000, 0.8), (1000, 0.9), (1000, 0.95), (300, 0.95))
_WARM = 200


def drifting(frames: int, like: float, random: np.random.Generator) -> Pixels:
    """(frames, classes) numbers of variance 1."""
    draws = random.standard_normal((frames + _WARM, len(NAMES)))
    values = np.zeros_like(draws)
    for i in range(1, len(draws)):
        values[i] = like * values[i - 1] + np.sqrt(1 - like**2) * draws[i]
    return values[_WARM:]


def drive(frames: int, like: float, random: np.random.Generator) -> tuple[IouParts, IouParts]:
    """Two runs over one drive."""
    sizes = np.array([1000 * 0.5**c for c in range(len(NAMES))])
    union = np.round(np.exp(0.8 * drifting(frames, like, random)) * sizes)
    hard, own = drifting(frames, like, random), drifting(frames, like, random)
    first = 1 / (1 + np.exp(-(0.5 + 0.7 * hard)))
    second = 1 / (1 + np.exp(-(0.58 + 0.7 * hard + 0.5 * own)))
    return IouParts(np.round(first * union), union), IouParts(np.round(second * union), union)


def main() -> None:
    """Prints a row for each case: share of intervals that hold the true difference."""
    drives = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print("frames  like  block  mean IoU  class c  as independent  seconds a drive")
    for frames, like in CASES:
        true = drive(200_000, like, np.random.default_rng(999))
        truth = compare_ious("all", NAMES, true, None, Resampling(100, block=1))
        random = np.random.default_rng(1)
        held, given, blocks = np.zeros(3), np.zeros(3), 0
        start = time.perf_counter()
        for seed in range(drives):
            sides = drive(frames, like, random)
            found = compare_ious("all", NAMES, sides, None, Resampling(1000, seed=seed))
            plain = compare_ious("all", NAMES, sides, None, Resampling(1000, seed=seed, block=1))
            blocks += found.block
            pairs = (
                (found.miou, truth.miou),
                (found.classes[2], truth.classes[2]),
                (plain.miou, truth.miou),
            )
            for i, (line, of) in enumerate(pairs):
                d, exact = line.differences[0], of.differences[0].value
                if d.low is None or d.high is None or exact is None:
                    continue
                given[i] += 1
                held[i] += d.low <= exact <= d.high
        share = "  ".join(f"{h / n:.3f}" for h, n in zip(held, given, strict=True))
        seconds = (time.perf_counter() - start) / drives
        print(
            f"{frames:6}  {like:.2f}  {blocks / drives:5.0f}  {share}  {seconds:.3f}", flush=True
        )


if __name__ == "__main__":
    main()
