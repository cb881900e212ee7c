# SPDX-License-Identifier: Apache-2.0
"""Figures over seeds: mean, spread, and whether a difference is significant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from experiments.gather import Curve, Group, Measured, Results
from segrgbx_core.evaluation.summary import ALL

BySeed = Mapping[int, float]
NOT_RUN = "not run"
# Seeds that share a start differ less than independent trainings.
LEAST = 0.005


@dataclass(frozen=True)
class Figure:
    """mean: over the seeds. half: half of the range from the lowest seed to the highest."""

    mean: float
    half: float
    seeds: int

    @property
    def text(self) -> str:
        """For example 0.512 ± 0.006; one seed has no spread."""
        return f"{self.mean:.3f}" + (f" ± {self.half:.3f}" if self.seeds > 1 else "")


@dataclass(frozen=True)
class Difference:
    """Difference of two means. half: sum of the two half ranges. seeds: of the side with fewer.
    above, below: whether every seed of the new side is above, or below, every one of the old."""

    mean: float
    half: float
    seeds: int
    above: bool
    below: bool

    @property
    def text(self) -> str:
        """For example +0.031 ± 0.009."""
        rounded = round(self.mean, 3) + 0.0  # no "-0.000"
        return f"{rounded:+.3f}" + (f" ± {self.half:.3f}" if self.seeds > 1 else "")

    @property
    def verdict(self) -> str:
        """pays: each seed with the part is above each seed without, by LEAST or more."""
        if self.seeds < 2:
            return "one seed, no verdict"
        if self._small:
            return f"does not pay: less than {LEAST:g}"
        if self.above:
            return "pays"
        return "costs" if self.below else "does not pay: within the spread"

    @property
    def standing(self) -> str:
        """As `verdict`, for two models of which neither contains the other."""
        words = {"pays": "better", "costs": "worse", "one seed, no verdict": self.verdict}
        equal = f"equal to less than {LEAST:g}" if self._small else "equal within the spread"
        return words.get(self.verdict, equal)

    @property
    def _small(self) -> bool:
        return abs(self.mean) < LEAST


def figure(values: BySeed) -> Figure | None:
    """None without values."""
    numbers = list(values.values())
    if not numbers:
        return None
    half = (max(numbers) - min(numbers)) / 2
    return Figure(sum(numbers) / len(numbers), half, len(numbers))


def difference(new: BySeed, old: BySeed) -> Difference | None:
    """None where one side has no figure."""
    a, b = figure(new), figure(old)
    if a is None or b is None:
        return None
    above = min(new.values()) > max(old.values())
    below = max(new.values()) < min(old.values())
    return Difference(a.mean - b.mean, a.half + b.half, min(a.seeds, b.seeds), above, below)


def mean_over(parts: Sequence[BySeed]) -> BySeed:
    """The mean of several figures, for the seeds that have all of them."""
    seeds = set(parts[0]).intersection(*parts) if parts else set()
    return {seed: sum(part[seed] for part in parts) / len(parts) for seed in sorted(seeds)}


class Findings:
    """Access to the results by run."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.sensors: tuple[str, ...] = tuple(results.plan["scenes"]["sensors"])
        self.conditions: tuple[str, ...] = tuple(results.plan["scenes"]["conditions"])

    def of(self, run: str) -> list[Measured]:
        """The results of the run, one for each seed."""
        return [measured for measured in self.results.runs if measured.run == run]

    def miou(self, run: str, place: str, condition: str = ALL) -> BySeed:
        """place: a sensor, or RGB for RGB alone."""
        return self._scores(run, place, condition, lambda group: group.miou)

    def labelled(self, run: str, place: str) -> BySeed:
        """As `miou`, without the classes that are predicted but in no label."""
        return self._scores(run, place, ALL, _over_labelled)

    def iou(self, run: str, place: str, name: str, condition: str = ALL) -> BySeed:
        """IoU of the class `name`."""
        return self._scores(run, place, condition, lambda group: group.classes.get(name))

    def over_sensors(self, run: str, condition: str = ALL) -> BySeed:
        """The mean of the sensors' mean IoU."""
        return mean_over([self.miou(run, sensor, condition) for sensor in self.sensors])

    def curve(self, run: str, kind: str, sensor: str) -> dict[int, Curve]:
        """Curves by seed."""
        return {m.seed: m.curves[kind][sensor] for m in self.of(run) if self._has(m, kind, sensor)}

    def level(self, run: str, kind: str, sensor: str, level: float) -> BySeed:
        """Mean IoU with X degraded to that level."""
        by_seed = {}
        for seed, curve in self.curve(run, kind, sensor).items():
            value = dict(zip(curve.levels, curve.miou, strict=True)).get(level)
            if value is not None:
                by_seed[seed] = value
        return by_seed

    def level_over_sensors(self, run: str, kind: str, level: float) -> BySeed:
        """As `level`, mean over the sensors."""
        return mean_over([self.level(run, kind, sensor, level) for sensor in self.sensors])

    def alone(self, run: str, kind: str, sensor: str) -> BySeed:
        """Mean IoU of the same model without X on the curve's frames."""
        curves = self.curve(run, kind, sensor).items()
        return {seed: c.rgb_alone for seed, c in curves if c.rgb_alone is not None}

    def rgb_alone(self, run: str, kind: str) -> BySeed:
        """As `alone`, mean over the sensors."""
        return mean_over([self.alone(run, kind, sensor) for sensor in self.sensors])

    def _scores(
        self, run: str, place: str, condition: str, value: Callable[[Group], float | None]
    ) -> BySeed:
        by_seed = {}
        for measured in self.of(run):
            group = measured.scores.get(place, {}).get(condition)
            number = None if group is None else value(group)
            if number is not None:
                by_seed[measured.seed] = number
        return by_seed

    @staticmethod
    def _has(measured: Measured, kind: str, sensor: str) -> bool:
        return sensor in measured.curves.get(kind, {})


def _over_labelled(group: Group) -> float | None:
    if group.only_predicted is None:
        return None
    left_out = group.only_predicted
    known = [v for name, v in group.classes.items() if v is not None and name not in left_out]
    return sum(known) / len(known) if known else None


def cell(values: BySeed) -> str:
    """The figure's text for a table cell."""
    over_seeds = figure(values)
    return NOT_RUN if over_seeds is None else over_seeds.text


def gain_cell(new: BySeed, old: BySeed) -> str:
    """The difference's text for a table cell."""
    gain = difference(new, old)
    return NOT_RUN if gain is None else gain.text
