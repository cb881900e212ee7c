# SPDX-License-Identifier: Apache-2.0
"""What a comparison sets side by side: runs, or one run with X and without."""

from collections.abc import Sequence
from dataclasses import dataclass

from segrgbx_core.errors import InputError
from segrgbx_core.runs.folder import Run

ALONE, WITH_X = "RGB alone", "RGB + X"
_SAID = 3


@dataclass(frozen=True, eq=False)
class Side:
    """A run, or its scores with RGB alone."""

    name: str
    run: Run
    alone: bool = False


def need_one_label_set(runs: Sequence[Run]) -> None:
    """Raises InputError for runs that answer in different classes."""
    first = runs[0]
    for other in runs[1:]:
        here, there = first.label_set.names, other.label_set.names
        if here == there:
            continue
        only = [n for n in here if n not in there], [n for n in there if n not in here]
        words = [
            f"only {run.folder} has {', '.join(names[:_SAID])}"
            + (f" and {len(names) - _SAID} more" if len(names) > _SAID else "")
            for run, names in zip((first, other), only, strict=True)
            if names
        ]
        raise InputError(
            f"{first.folder} and {other.folder} answer in different classes "
            f"({'; '.join(words) or 'in another order'}); run both with one --label-set."
        )


def sides_of(runs: Sequence[Run]) -> tuple[Side, ...]:
    """The runs by name; of one run alone RGB alone, then RGB + X.

    Raises InputError for one run alone without scores of RGB alone.
    """
    if len(runs) > 1:
        names = [run.name for run in runs]
        plain = len(set(names)) == len(names)
        return tuple(
            Side(name if plain else str(run.folder), run)
            for name, run in zip(names, runs, strict=True)
        )
    run = runs[0]
    if run.counts is None or run.counts.alone is None:
        raise InputError(
            f"{run.folder} has no scores of RGB alone to hold RGB + X against; name a second run, "
            "or run it with a ground truth and without --no-rgb-alone."
        )
    return Side(ALONE, run, alone=True), Side(WITH_X, run)


def title_of(sides: Sequence[Side]) -> str:
    """What is held against what."""
    if sides[0].alone:
        return f"{sides[0].run.name}: {WITH_X} against {ALONE}"
    return f"{', '.join(side.name for side in sides[1:])} against {sides[0].name}"
