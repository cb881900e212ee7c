# SPDX-License-Identifier: Apache-2.0
"""What a run's page shows, whatever was run: a recording, image folders, or a live node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segrgbx_core.evaluation.reliability import Reliability
from segrgbx_core.evaluation.summary import ALL, GroupScores
from segrgbx_core.report.page import Figure, Row
from segrgbx_core.wording import share, spoken

Matrix = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Table:
    """A small table below the frames. head: the columns' names, () for none."""

    title: str
    rows: tuple[Row, ...]
    head: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunScores:
    """Scores by condition, "all" first, and pixel counts, rows truth, columns prediction.

    alone, alone_confusion: the same frames with RGB alone; None where that was not scored.
    """

    with_x: Mapping[str, GroupScores]
    alone: Mapping[str, GroupScores] | None = None
    confusion: Matrix | None = None
    alone_confusion: Matrix | None = None
    reliability: Reliability | None = None


@dataclass(frozen=True)
class RunView:
    """A run's page in words and figures; frames and classes are read from the run's folder.

    kicker: what wrote it. limits: the model's limits, for the banner at the top. x_name: X in
    words, None for RGB alone. scores: None without ground truth. unscored: then, why.
    """

    kicker: str
    title: str
    subtitle: str
    warnings: tuple[str, ...]
    notices: tuple[str, ...]
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]
    x_name: str | None
    scores: RunScores | None = None
    unscored: str = ""
    limits: str | None = None


@dataclass(frozen=True)
class Gain:
    """What X brings in one condition. low, width: of the bar between the two scores, in percent.

    worse: whether RGB alone is better.
    """

    name: str
    frames: int
    with_x: str
    alone: str
    gain: str
    low: float
    width: float
    worse: bool


def gains(scores: RunScores | None) -> tuple[Gain, ...]:
    """Mean IoU with X against RGB alone, of all frames and then of each condition."""
    if scores is None or scores.alone is None:
        return ()
    pairs = (
        (name, of_x, scores.alone[name])
        for name, of_x in scores.with_x.items()
        if name in scores.alone
    )
    return tuple(
        _gain(name, of_x.frames, of_x.miou, alone.miou)
        for name, of_x, alone in pairs
        if of_x.miou is not None and alone.miou is not None
    )


def _gain(name: str, frames: int, with_x: float, alone: float) -> Gain:
    low, high = sorted((with_x, alone))
    return Gain(
        name="all frames" if name == ALL else spoken(name),
        frames=frames,
        with_x=share(with_x),
        alone=share(alone),
        gain=signed(with_x - alone),
        low=round(low * 100, 2),
        width=round((high - low) * 100, 2),
        worse=with_x < alone,
    )


def model_rows(
    name: str,
    description: str,
    modalities: Sequence[str],
    training: Mapping[str, str | int | float],
    license: str,  # noqa: A002
) -> tuple[Row, ...]:
    """A model's card as rows."""
    return (
        Row("Name", (name,)),
        Row("What", (description,)),
        Row("X sensors", (", ".join(map(spoken, modalities)) or "none (RGB alone)",)),
        *(Row(f"Training: {spoken(key)}", (str(value),)) for key, value in training.items()),
        Row("Licence", (license,)),
    )


def signed(value: float) -> str:
    """A difference of scores with its sign: +0.042, \u22120.007, 0.000."""
    if round(value, 3) == 0:
        return "0.000"
    return f"{'+' if value > 0 else chr(0x2212)}{abs(value):.3f}"
