# SPDX-License-Identifier: Apache-2.0
"""What a run may lose to the first of a comparison, held against what it lost."""

from collections.abc import Iterator

from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.runs.comparison.content import RunComparison, ScoreLine
from segrgbx_core.runs.thresholds import Loss, ThresholdCheck
from segrgbx_core.wording import spoken


def loss_checks(loss: Loss, comparison: RunComparison, run: int) -> list[ThresholdCheck]:
    """One check for each figure that both runs have; run: the number of the later one, from 1.

    A check fails where more was lost than is let pass and the verdict is "worse": a difference
    that cannot be told from noise fails nothing.
    """
    bounds = [bound for bound in (loss.miou, loss.conditions, loss.classes) if bound is not None]
    found = list(_checks(loss, comparison, run))
    if found or not bounds:
        return found
    why = "the runs share no scored frame" if comparison.scored == 0 else "no figure is in both"
    return [ThresholdCheck("loss to the first run", None, bounds[0], most=True, why=why)]


def _checks(loss: Loss, comparison: RunComparison, run: int) -> Iterator[ThresholdCheck]:
    for group in comparison.groups:
        whole = group.name == ALL
        where = "" if whole else f" in {spoken(group.name)}"
        bound = loss.miou if whole else loss.conditions
        if bound is not None:
            yield from _check(f"mIoU{where}", group.miou, run, bound)
        if loss.classes is not None and whole:
            for line in group.classes:
                yield from _check(f"IoU of {spoken(line.name)}", line, run, loss.classes)


def _check(name: str, line: ScoreLine, run: int, bound: float) -> Iterator[ThresholdCheck]:
    difference = line.differences[run - 1]
    if difference.value is not None:
        lost = max(0.0, -difference.value)
        accepted = lost <= bound or difference.verdict != "worse"
        yield ThresholdCheck(
            f"loss of {name}",
            lost,
            bound,
            most=True,
            why=difference.verdict,
            accepted=accepted,
        )
