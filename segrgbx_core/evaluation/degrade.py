# SPDX-License-Identifier: Apache-2.0
"""X degraded by a measured amount: missing, noisy, shifted or late.

drop, noise and delay act on the raw reading before encoding, as a failing sensor would; the noise
then passes through the same encoding as the sensor's own noise. shift acts on the planes: a wrong
calibration moves the picture without changing values, the uncovered border must count as not
measured, which not every raw format can express, and a mosaic or an event window cannot be moved
by a fraction of a pixel.

Random numbers are drawn per sample and are the same at every level, so that only the level varies
along a curve.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segrgbx_core.datasets.samples import LabelledPairs, Sample, encoded
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.dataset import XOf
from segrgbx_core.evaluation.reading_noise import noise_unit, noisy
from segrgbx_core.geometry.align import Homography, warp_planes
from segrgbx_core.readings import Planes, Reading

_SHIFT_STREAM, _NOISE_STREAM = 1, 2


@dataclass(frozen=True)
class Kind:
    """title: the degradation of X. axis: the quantity that a level measures. levels: the default
    ones. largest: the highest valid one, None where it depends on the data. whole: only whole
    levels."""

    title: str
    axis: str
    levels: tuple[float, ...]
    largest: float | None = None
    whole: bool = False

    def check(self, what: str, levels: tuple[float, ...]) -> None:
        """Raises InputError, whose sentence begins with `what`, for levels that are not valid."""
        top = float("inf") if self.largest is None else self.largest
        for level in levels:
            fits = 0 <= level <= top and np.isfinite(level)
            if not fits or (self.whole and level != int(level)):
                raise InputError(
                    f"{what} was given level {level:g}; expected "
                    f"{'whole numbers ' if self.whole else ''}from 0"
                    f"{'' if self.largest is None else f' to {self.largest:g}'} ({self.axis})."
                )
        if len(levels) < 2 or len(set(levels)) != len(levels):
            raise InputError(
                f"{what} was given {len(set(levels))} different levels; a curve needs two or "
                "more, each once."
            )


KINDS = {
    "drop": Kind("X missing", "share of frames without X", (0, 0.25, 0.5, 0.75, 1), largest=1.0),
    "noise": Kind("X noisy", "standard deviation over X's usual range", (0, 0.02, 0.05, 0.1, 0.2)),
    "shift": Kind("X shifted against RGB", "pixels of RGB", (0, 2, 4, 8, 16)),
    "delay": Kind("X late", "frames", (0, 1, 2, 3, 5), whole=True),
}


def kind_named(name: str) -> Kind:
    """The kind of that name. Raises InputError for an unknown name."""
    if name not in KINDS:
        raise InputError(f"X cannot be degraded by '{name}'; expected one of {', '.join(KINDS)}.")
    return KINDS[name]


def check_levels(name: str, levels: tuple[float, ...]) -> None:
    """Raises InputError for an unknown kind or levels that are not valid for it."""
    kind_named(name).check(f"Degrading by {name}", levels)


@dataclass(frozen=True)
class Degrading:
    """indices: the samples that can be scored at every level. x_of: gives the X of a level.
    unit: a level of 1 in the reading's own numbers, None where the level is in these numbers."""

    indices: tuple[int, ...]
    x_of: Callable[[float], XOf]
    unit: str | None = None


def degrading(data: LabelledPairs, name: str, levels: tuple[float, ...], seed: int) -> Degrading:
    """The degradation of the dataset's X by that kind.

    Raises InputError for levels that are not valid for the kind, and for a delay of samples that
    are not videos or are shorter than the delay.
    """
    check_levels(name, levels)
    everything = tuple(range(len(data)))
    if name == "drop":
        return Degrading(everything, lambda level: _drop(len(data), level, seed))
    if name == "noise":
        unit = noise_unit(data)
        words = f"{unit.value:.4g} {unit.words}"
        return Degrading(everything, lambda level: _noise(data, level * unit.value, seed), words)
    if name == "shift":
        return Degrading(everything, lambda level: _shift(data, level, seed))
    indices, earlier = _after(data, int(max(levels)))
    return Degrading(indices, lambda level: _delay(data, earlier, int(level)))


def _drop(count: int, level: float, seed: int) -> XOf:
    """Drops the first frames of a random order, so that higher levels also drop those of lower."""
    order = np.random.default_rng(seed).permutation(count)
    without = frozenset(order[: round(level * count)].tolist())
    return lambda index, sample: None if index in without else sample.x


def _noise(data: LabelledPairs, amount: float, seed: int) -> XOf:
    def x_of(index: int, sample: Sample) -> Reading | Planes:
        rng = np.random.default_rng([seed, _NOISE_STREAM, index])
        return noisy(sample.x, data.modality, amount, rng)

    return x_of


def _shift(data: LabelledPairs, level: float, seed: int) -> XOf:
    def x_of(index: int, sample: Sample) -> Planes:
        planes = encoded(data, sample)
        height, width = sample.rgb.shape[:2]
        if level >= min(height, width) / 2:
            raise InputError(
                f"X cannot be shifted by {level:g} pixels against an image of {width}x{height}; "
                "expected less than half of its shorter side."
            )
        angle = np.random.default_rng([seed, _SHIFT_STREAM, index]).uniform(0, 2 * np.pi)
        rows, columns = planes.valid.shape
        right = level * np.cos(angle) * columns / width
        down = level * np.sin(angle) * rows / height
        matrix = np.array([[1, 0, right], [0, 1, down], [0, 0, 1.0]])
        return warp_planes(planes, Homography(matrix), (rows, columns))

    return x_of


def _after(data: LabelledPairs, most: int) -> tuple[tuple[int, ...], dict[int, list[int]]]:
    """Samples with at least `most` earlier ones in their video, and for each the samples up to
    and including it."""
    videos: dict[str, list[int]] = {}
    for index in range(len(data)):
        name = data.sequence(index)
        if name is not None:
            videos.setdefault(name, []).append(index)
    if not videos:
        raise InputError(
            f"X can be delayed only where samples follow each other as frames of a video, and "
            f"{data.folder} names none; for a folder of your own, add `video: true` to its "
            "dataset.yaml if its names sort in time."
        )
    earlier = {
        index: members[: place + 1]
        for members in videos.values()
        for place, index in enumerate(members)
        if place >= most
    }
    if not earlier:
        longest = max(len(members) for members in videos.values())
        raise InputError(
            f"X cannot be delayed by {most} frames: the longest video of {data.folder} has "
            f"{longest}; give levels below that."
        )
    return tuple(sorted(earlier)), earlier


def _delay(data: LabelledPairs, earlier: dict[int, list[int]], level: int) -> XOf:
    def x_of(index: int, sample: Sample) -> Reading | Planes:
        return data[earlier[index][-1 - level]].x if level else sample.x

    return x_of
