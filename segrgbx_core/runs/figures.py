# SPDX-License-Identifier: Apache-2.0
"""Figures of a run that are not scores: its times, its losses, its versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_json
from segrgbx_core.modality import NO_X
from segrgbx_core.runs.folder import SUMMARY_FILE, Run
from segrgbx_core.runs.rows import SEGMENTED, FrameRow

_NOT_LOST = ("after_max_frames", "not_reached")


@dataclass(frozen=True)
class Percentiles:
    """Median and 95th percentile of some values, in their own unit."""

    p50: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Percentiles":
        """From at least one value."""
        p50, p95 = (round(float(v), 3) for v in np.percentile(values, (50, 95)))
        return cls(p50, p95)


@dataclass(frozen=True)
class Spread(Percentiles):
    """Percentiles and the largest value."""

    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """From at least one value."""
        inner = Percentiles.of(values)
        return cls(inner.p50, inner.p95, round(max(values), 3))


@dataclass(frozen=True)
class RunNotes:
    """What a `summary.json` says beside the scores; each field may be missing."""

    device: str = ""
    precision: str = ""
    backend: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    interrupted: str | None = None


def read_notes(run: Run) -> RunNotes:
    """Reads them from the run's folder. Raises InputError for values of another type."""
    path = run.folder / SUMMARY_FILE
    return filled(RunNotes, read_json(path, InputError), str(path), InputError, further=True)


def latency_ms(rows: Sequence[FrameRow]) -> tuple[float, float] | None:
    """Median and 95th percentile of all stages together; None where no row has its times."""
    times = [row.total_ms for row in rows if row.total_ms is not None]
    if not times:
        return None
    measured = Percentiles.of(times)
    return measured.p50, measured.p95


def segmented_share(run: Run) -> float | None:
    """Share of the RGB images read that got a mask; None without an image.

    Images that an asked limit or a stop left out do not count.
    """
    rows = [row for row in run.rows if row.status not in _NOT_LOST]
    return sum(row.status == SEGMENTED for row in rows) / len(rows) if rows else None


def paired_share(run: Run) -> float | None:
    """Share of the RGB images read that got a mask with an X of their own, neither held nor left
    out; None for a run without a second sensor."""
    rows = [row for row in run.rows if row.status not in _NOT_LOST]
    if not rows or run.facts.modality == NO_X:
        return None
    return sum(row.x_used and not row.x_held for row in rows) / len(rows)
