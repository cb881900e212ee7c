# SPDX-License-Identifier: Apache-2.0
"""A comparison in words, the same on the terminal and on the page."""

from segrgbx_core.runs.comparison.content import ComparedRun, Difference, RunComparison
from segrgbx_core.wording import counted, milliseconds, share


def change(difference: Difference) -> str:
    """The difference with its sign; a dash where there is none."""
    return "-" if difference.value is None else f"{difference.value:+.3f}"


def interval_words(difference: Difference) -> str:
    """The interval; a dash where there is none."""
    if difference.low is None or difference.high is None:
        return "-"
    return f"{difference.low:+.3f} to {difference.high:+.3f}"


def latency_words(run: ComparedRun) -> str:
    """Median and 95th percentile in milliseconds; a dash where a run has no times."""
    return "-" if run.latency_ms is None else " / ".join(map(milliseconds, run.latency_ms))


def verdict_words(comparison: RunComparison) -> tuple[str, ...]:
    """One sentence for each run after the first, on the mean IoU of all frames."""
    if not comparison.groups:
        return ()
    whole, first = comparison.groups[0], comparison.runs[0]
    frames = counted(whole.frames, "frame")
    said = []
    for run, value, difference in zip(
        comparison.runs[1:], whole.miou.values[1:], whole.miou.differences, strict=True
    ):
        figures = f"mean IoU {share(value)} against {share(whole.miou.values[0])} over {frames}"
        said.append(f"{run.name} is {_verdict(difference, first.name)}: {figures}.")
    return tuple(said)


def _verdict(difference: Difference, first: str) -> str:
    ends = f"{difference.low or 0:+.3f} and {difference.high or 0:+.3f}"
    between = f"{change(difference)}, between {ends}"
    if difference.verdict in ("better", "worse"):
        return f"{difference.verdict} than {first} ({between})"
    if difference.verdict == "equal":
        return f"equal to {first}"
    if difference.verdict == "not distinguishable":
        return f"not distinguishable from {first} ({between}, which holds 0)"
    if difference.value is None:
        return f"not to be held against {first}, as no pixel has a truth"
    return f"over too few frames to tell it from {first} ({change(difference)})"


def how_words(comparison: RunComparison) -> str:
    """How frames were matched and intervals drawn."""
    matched = f"{counted(comparison.frames, 'frame')} matched by {comparison.matched_by}"
    if not comparison.groups and not comparison.shares:
        return f"{matched}."
    words = (
        f"{matched}. Intervals: {comparison.level:.0%}, paired circular block bootstrap, "
        f"{comparison.resamples} resamples, seed {comparison.seed}"
    )
    block = comparison.groups[0].block if comparison.groups else comparison.share_block
    seconds = "" if comparison.rate_hz is None else f" ({block / comparison.rate_hz:.1f} s)"
    return f"{words}, blocks of {counted(block, 'consecutive frame')}{seconds}."
