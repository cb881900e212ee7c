# SPDX-License-Identifier: Apache-2.0
"""What a run must reach: thresholds of a YAML file, held against its figures one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.metrics import Scores
from segrgbx_core.evaluation.reliability import reliability
from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.runs.figures import latency_ms, paired_share, segmented_share
from segrgbx_core.runs.folder import Run
from segrgbx_core.runs.scores import scores_by_condition
from segrgbx_core.wording import spoken


@dataclass(frozen=True)
class GroupBounds:
    """The least of one condition, shares in 0..1; None where nothing is asked.

    gain: mean IoU of RGB + X over that of RGB alone. classes: IoU by class name.
    """

    miou: float | None = None
    pixel_accuracy: float | None = None
    gain: float | None = None
    classes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("miou", "pixel_accuracy"):
            _need_share(name, getattr(self, name))
        for name, bound in self.classes.items():
            _need_share(f"classes.{name}", bound)
        if self.gain is not None and not -1 <= self.gain <= 1:
            raise InputError(f"gain is {self.gain}; expected a difference of shares, -1 to 1.")


@dataclass(frozen=True)
class Loss:
    """How much less than the first run of a comparison is let pass, in shares: of the mean IoU,
    of each condition's, and of each class."""

    miou: float | None = None
    conditions: float | None = None
    classes: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            _need_share(each.name, getattr(self, each.name))


@dataclass(frozen=True)
class Thresholds:
    """The content of a file of thresholds: the least of all frames, as in `GroupBounds`.

    conditions: mean IoU, or bounds, by condition. latency_p95_ms: the most of all stages together.
    paired, segmented: least share of the RGB images. ece: the most, in 0..1. loss: for a
    comparison.
    """

    miou: float | None = None
    pixel_accuracy: float | None = None
    gain: float | None = None
    classes: Mapping[str, float] = field(default_factory=dict)
    conditions: Mapping[str, float | GroupBounds] = field(default_factory=dict)
    latency_p95_ms: float | None = None
    paired: float | None = None
    segmented: float | None = None
    ece: float | None = None
    loss: Loss | None = None

    def __post_init__(self) -> None:
        for name in ("paired", "segmented", "ece"):
            _need_share(name, getattr(self, name))
        for name, bound in self.conditions.items():
            if isinstance(bound, float):
                _need_share(f"conditions.{name}", bound)
        if self.latency_p95_ms is not None and self.latency_p95_ms <= 0:
            raise InputError(f"latency_p95_ms is {self.latency_p95_ms}; expected more than 0.")
        # Checks them.
        GroupBounds(self.miou, self.pixel_accuracy, self.gain, self.classes)

    def groups(self) -> Iterator[tuple[str, GroupBounds]]:
        """The bounds of all frames, then of each condition."""
        yield ALL, GroupBounds(self.miou, self.pixel_accuracy, self.gain, self.classes)
        for name, bound in self.conditions.items():
            yield name, GroupBounds(miou=bound) if isinstance(bound, float) else bound


def _need_share(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InputError(f"{name} is {value}; expected a share from 0 to 1.")


def read_thresholds(path: Path) -> Thresholds:
    """Reads the file strictly. Raises InputError for unknown keys, and where it asks nothing."""
    found = filled(Thresholds, read_yaml(path, InputError), str(path), InputError)
    if found == Thresholds():
        known = ", ".join(each.name for each in fields(Thresholds))
        raise InputError(f"{path} sets no threshold; give at least one of {known}.")
    return found


@dataclass(frozen=True, eq=False)
class Measured:
    """The figures that thresholds are held against; None where something was not measured.

    scores, alone: of RGB + X and of RGB alone, "all" and by condition.
    """

    scores: Mapping[str, Scores] | None = None
    alone: Mapping[str, Scores] | None = None
    latency_p95_ms: float | None = None
    paired: float | None = None
    segmented: float | None = None
    ece: float | None = None


def figures_of(run: Run) -> Measured:
    """The figures of a run's folder."""
    counts = run.counts
    times = latency_ms(run.rows)
    scored = counts is not None and len(counts) > 0
    both = counts is not None and counts.alone is not None
    return Measured(
        scores=scores_by_condition(run) if scored else None,
        alone=scores_by_condition(run, alone=True) if scored and both else None,
        latency_p95_ms=None if times is None else times[1],
        paired=paired_share(run),
        segmented=segmented_share(run),
        ece=None if counts is None else reliability(counts.levels).ece,
    )


@dataclass(frozen=True)
class ThresholdCheck:
    """One threshold and what was measured. most: the bound is the most, not the least. why: why
    there is no value, or what else decides. accepted: None where value and bound decide."""

    name: str
    value: float | None
    bound: float
    most: bool = False
    unit: str = ""
    why: str = ""
    accepted: bool | None = None

    @property
    def passed(self) -> bool:
        """Whether the value keeps the bound; False for a value that was not measured."""
        if self.value is None:
            return False
        if self.accepted is not None:
            return self.accepted
        return self.value <= self.bound if self.most else self.value >= self.bound

    def sentence(self) -> str:
        """The outcome in words, with the value and the bound."""
        bound = f"at {'most' if self.most else 'least'} {self.number(self.bound)}"
        if self.value is None:
            return f"{self.name} was not measured ({self.why}); expected {bound}."
        about = f" ({self.why})" if self.why else ""
        return f"{self.name} is {self.number(self.value)}{about}; expected {bound}."

    def number(self, value: float) -> str:
        """A figure as text, exact enough to be told from the bound."""
        text = f"{value:.1f} {self.unit}" if self.unit else f"{value:.3f}"
        same = value != self.bound and f"{value:.3f}" == f"{self.bound:.3f}"
        return f"{value:.6g} {self.unit}".strip() if same else text


def checks(thresholds: Thresholds, figures: Measured) -> list[ThresholdCheck]:
    """Each threshold held against the figures, in the order of the file's keys."""
    found = [c for name, bounds in thresholds.groups() for c in _group(name, bounds, figures)]
    t, f = thresholds, figures
    plain: tuple[tuple[str, float | None, float | None, bool, str, str], ...] = (
        ("latency p95", f.latency_p95_ms, t.latency_p95_ms, True, "ms", "no frame has a time"),
        ("share of RGB paired", f.paired, t.paired, False, "", "no second sensor was recorded"),
        ("share of RGB segmented", f.segmented, t.segmented, False, "", "no RGB images were read"),
        ("calibration error (ECE)", f.ece, t.ece, True, "", "no ground truth"),
    )
    found += [
        ThresholdCheck(name, value, bound, most, unit, "" if value is not None else why)
        for name, value, bound, most, unit, why in plain
        if bound is not None
    ]
    return found


def _group(name: str, bounds: GroupBounds, figures: Measured) -> Iterator[ThresholdCheck]:
    where = "" if name == ALL else f" in {spoken(name)}"
    scores = (figures.scores or {}).get(name)
    alone = (figures.alone or {}).get(name)
    why = _why_not(name, figures.scores)
    plain = (
        ("mIoU", None if scores is None else scores.miou, bounds.miou),
        (
            "pixel accuracy",
            None if scores is None else scores.pixel_accuracy,
            bounds.pixel_accuracy,
        ),
    )
    for what, value, bound in plain:
        if bound is not None:
            yield _check(what + where, value, bound, why or "no pixel has a truth")
    if bounds.gain is not None:
        lacking = why or _why_not(name, figures.alone, "RGB alone was not scored")
        gain = _gain(scores, alone)
        yield _check(f"gain of X{where}", gain, bounds.gain, lacking or "no pixel has a truth")
    for of, bound in bounds.classes.items():
        value = None if scores is None else scores.per_class_iou.get(of)
        yield _check(f"IoU of {spoken(of)}{where}", value, bound, why or _class_words(of, scores))


def _gain(scores: Scores | None, alone: Scores | None) -> float | None:
    if scores is None or alone is None or scores.miou is None or alone.miou is None:
        return None
    return scores.miou - alone.miou


def _check(name: str, value: float | None, bound: float, why: str) -> ThresholdCheck:
    return ThresholdCheck(name, value, bound, why="" if value is not None else why)


def _why_not(name: str, scores: Mapping[str, Scores] | None, none: str = "no ground truth") -> str:
    if scores is None:
        return none
    if name in scores:
        return ""
    known = ", ".join(each for each in scores if each != ALL)
    return f"no scored frame has this condition; the run has {known or 'none'}"


def _class_words(name: str, scores: Scores | None) -> str:
    if scores is None or name in scores.per_class_iou:
        return "the class is in neither truth nor masks"
    return f"the run has no such class; it has {', '.join(scores.per_class_iou)}"
