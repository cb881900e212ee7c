# SPDX-License-Identifier: Apache-2.0
"""In what compared runs differ beside their figures, and what to beware of."""

from collections.abc import Sequence

import numpy as np

from segrgbx_core.runs.comparison.bootstrap import Resampling
from segrgbx_core.runs.comparison.content import Group, Setting
from segrgbx_core.runs.comparison.matching import Matched
from segrgbx_core.runs.comparison.sides import Side
from segrgbx_core.runs.figures import RunNotes
from segrgbx_core.runs.folder import Run
from segrgbx_core.wording import counted


def settings_apart(runs: Sequence[Run], notes: Sequence[RunNotes]) -> tuple[Setting, ...]:
    """What was asked for, and the model, machine and versions, where the runs differ."""
    tables: list[dict[str, object]] = []
    for run, note in zip(runs, notes, strict=True):
        facts = run.facts
        table: dict[str, object] = {
            "kind": facts.kind,
            "source": facts.source,
            "model": facts.model,
            "modality": facts.modality,
            "label set": facts.label_set,
            "scored by": facts.scored_by,
            "device": note.device,
            "precision": note.precision,
            "backend": note.backend,
        }
        table |= {f"version of {name}": number for name, number in note.versions.items()}
        tables.append(table | dict(facts.settings))
    names = dict.fromkeys(name for table in tables for name in table)
    rows = (Setting(n, tuple(_words(table.get(n)) for table in tables)) for n in names)
    return tuple(row for row in rows if len(set(row.values)) > 1)


def _words(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def remarks(
    sides: Sequence[Side],
    same: Matched,
    notes: Sequence[RunNotes],
    groups: Sequence[Group],
    how: Resampling,
) -> tuple[str, ...]:
    """Sentences on what a reader of the comparison should know."""
    said = [
        f"{side.name} was not finished: {note.interrupted}"
        for side, note in zip(sides, notes, strict=True)
        if note.interrupted is not None and not side.alone
    ]
    said += _unscored(sides)
    said += _other_truth(sides, same)
    said += _other_conditions(sides, same)
    tests = sum(d.low is not None for g in groups for c in g.classes for d in c.differences)
    if tests:
        chance = (1 - how.level) * tests
        said.append(
            f"Each interval holds with {how.level:.0%} by itself: of the "
            f"{counted(tests, 'difference')} by class, about {chance:.1f} lie outside by chance."
        )
    return tuple(said)


def _unscored(sides: Sequence[Side]) -> list[str]:
    without = [side.name for side in sides if side.run.counts is None]
    if not without:
        return []
    names = "No run" if len(without) == len(sides) else f"Not {' and '.join(without)}"
    return [
        f"{names} was scored, for lack of a ground truth: what is compared says how the masks "
        "differ, not which are right."
    ]


def _other_truth(sides: Sequence[Side], same: Matched) -> list[str]:
    """Where the same frames' truth has other pixels, the scores are of different things."""
    if not len(same.scored) or sides[0].alone:
        return []
    tables = []
    for side, places in zip(sides, same.places, strict=True):
        counts = side.run.counts
        if counts is not None:
            true = counts.cells // (counts.classes + 1)
            tables.append(counts.table[places] @ (true[:, None] == np.arange(counts.classes)))
    return [
        f"{side.name} was scored with another truth than {sides[0].name} in "
        f"{counted(number, 'frame')}, so the scores are of different things: compare runs with "
        "one ground truth and one size of mask."
        for side, table in zip(sides[1:], tables[1:], strict=True)
        if (number := int((table != tables[0]).any(axis=1).sum()))
    ]


def _other_conditions(sides: Sequence[Side], same: Matched) -> list[str]:
    names = [[row.condition for row in rows] for rows in same.rows]
    return [
        f"{side.name} states other conditions than {sides[0].name}; those of {sides[0].name} are "
        "taken."
        for side, own in zip(sides[1:], names[1:], strict=True)
        if any(a and b and a != b for a, b in zip(names[0], own, strict=True))
    ]
