# SPDX-License-Identifier: Apache-2.0
"""Doubts about data that can be used but looks wrong: one list of checks for every mode.

The live node, replay, inspect, segment, encode, evaluate, training and `data check` ask the same
checks and print the same sentences. What cannot be used at all is an error, raised where it is
read or encoded.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import EncodingSettings
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.modality import NO_X
from segrgbx_core.plausible import (
    bytes_look_swapped,
    events_lie_at_the_start,
    in_order,
    share_at_the_top,
)
from segrgbx_core.readings import (
    Events,
    LightFieldViews,
    Planes,
    PolarizationState,
    PolarizerImages,
    Reading,
    RgbImage,
)
from segrgbx_core.wording import spoken

STRIDE = 8
CLOCK_LAG_S = 5.0
_NEARLY_ALL = 0.99
_DARK = 16

ONE_X, NO_READING = "one X value everywhere", "almost no X value"
SWAPPED_X, CUT_X = "X bytes in the other order", "most X pixels at 255"
EARLY_EVENTS = "all events at the start of their window"
ONE_RGB, DARK_RGB, GREY_RGB = "one RGB value everywhere", "an almost black image", "a grey image"
NOTES = (ONE_RGB, DARK_RGB, GREY_RGB)
"""Doubts about data that may be what the user wants."""


@dataclass(frozen=True)
class Doubt:
    """kind: of the list above, the same for the same fault. words: one sentence with a remedy."""

    kind: str
    words: str


def doubts_about(
    modality: str,
    rgb: RgbImage | None = None,
    x: Reading | Planes | None = None,
    settings: EncodingSettings | None = None,
) -> tuple[Doubt, ...]:
    """The doubts about one image and its X reading; None for a part that is not there.

    settings: of X's encoding, None for the defaults.
    """
    found: list[Doubt] = []
    if rgb is not None:
        found += _first(RGB_CHECKS, lambda check: check(rgb))
    if x is not None and modality != NO_X:
        reading = _as_encoded(x, settings)
        found += _first(X_CHECKS, lambda check: check(reading, spoken(modality)))
    return tuple(found)


def _first(
    checks: Mapping[str, Callable[..., str | None]], ask: Callable[..., str | None]
) -> list[Doubt]:
    """The first doubt: a black image is not also called grey."""
    for kind, check in checks.items():
        words = ask(check)
        if words is not None:
            return [Doubt(kind, words)]
    return []


def _as_encoded(x: Reading | Planes, settings: EncodingSettings | None) -> Reading | Planes:
    order = getattr(settings, "byte_order", "")
    return in_order(x, order) if isinstance(x, np.ndarray) else x


def _no_reading(x: Reading | Planes, what: str) -> str | None:
    if isinstance(x, Events) or _measured(x).size:
        return None
    return f"The {what} images have almost no pixels with a reading."


def _one_value(x: Reading | Planes, what: str) -> str | None:
    value = None if isinstance(x, Events) else _everywhere(_measured(x), _values(x))
    if value is None:
        return None
    return (
        f"The {what} images are {value:g} everywhere: check that the lens is open and the "
        "driver's range fits."
    )


def _swapped(x: Reading | Planes, what: str) -> str | None:
    if not isinstance(x, np.ndarray) or not bytes_look_swapped(x):
        return None
    return (
        f"The {what} images make sense only with the bytes of each value swapped: set byte_order "
        "to 'swapped' (--set byte_order=swapped; x.settings of the node), or let the driver set "
        "is_bigendian right."
    )


def _cut(x: Reading | Planes, what: str) -> str | None:
    share = share_at_the_top(x) if isinstance(x, np.ndarray) and x.ndim == 2 else 0.0
    if not share:
        return None
    return (
        f"{share:.0%} of the {what} pixels are 255, the most that 8 bits hold, as where 16 bits "
        "were pressed into 8: record the 16-bit topic, raw or as PNG."
    )


def _early(x: Reading | Planes, what: str) -> str | None:
    if not isinstance(x, Events) or not events_lie_at_the_start(x):
        return None
    window, latest = x.end_ns - x.start_ns, int(x.t_ns.max()) - x.start_ns
    return (
        f"All {len(x)} {what}s lie in the first {latest / 1e6:g} ms of a window of "
        f"{window / 1e6:g} ms, as if their times were microseconds: times are in nanoseconds, "
        "multiply them by 1000."
    )


def _one_colour(rgb: RgbImage) -> str | None:
    first = rgb[0, 0]
    if not (rgb[::STRIDE, ::STRIDE] == first).all():
        return None
    if float((rgb == first).mean()) < _NEARLY_ALL or rgb.size <= rgb.shape[2]:
        return None
    colour = f"{first[0]}" if (first == first[0]).all() else ",".join(map(str, first))
    return (
        f"The RGB images are {colour} everywhere: check that the lens is open and the exposure "
        "fits."
    )


def _dark(rgb: RgbImage) -> str | None:
    most = int(rgb.max(initial=0))
    if most >= _DARK:
        return None
    return (
        f"The RGB images are almost black, at most {most} of 255: check the exposure, and that no "
        "12 of 16 bits were taken for the whole range before they were recorded."
    )


def _grey(rgb: RgbImage) -> str | None:
    seen = rgb[::STRIDE, ::STRIDE]
    if not (seen == seen[..., :1]).all() or not (rgb == rgb[..., :1]).all():
        return None
    return (
        "The RGB images are grey, and the model has learnt from colours: check that this is the "
        "colour camera's topic or folder."
    )


RGB_CHECKS: dict[str, Callable[[RgbImage], str | None]] = {
    ONE_RGB: _one_colour,
    DARK_RGB: _dark,
    GREY_RGB: _grey,
}
X_CHECKS: dict[str, Callable[[Reading | Planes, str], str | None]] = {
    NO_READING: _no_reading,
    ONE_X: _one_value,
    SWAPPED_X: _swapped,
    CUT_X: _cut,
    EARLY_EVENTS: _early,
}


def _values(x: Reading | Planes) -> npt.NDArray[np.generic]:
    """The numbers of any reading but events."""
    if isinstance(x, LightFieldViews):
        return x.views
    if isinstance(x, PolarizerImages):
        return x.intensity
    if isinstance(x, PolarizationState):
        return x.dolp
    return x.data if isinstance(x, Planes) else np.asarray(x)


def _measured(x: Reading | Planes) -> npt.NDArray[np.float64]:
    """Every eighth row and column of the numbers, without NaN and infinity."""
    values = _values(x)
    rows = 0 if isinstance(x, np.ndarray) else values.ndim - 2
    if isinstance(x, LightFieldViews):
        rows = 1
    pick = (slice(None),) * rows + (slice(None, None, STRIDE),) * 2
    seen = np.asarray(values[pick], np.float64)
    return seen[np.isfinite(seen)]


def _everywhere(seen: npt.NDArray[np.float64], values: npt.NDArray[np.generic]) -> float | None:
    """The value that all seen pixels have, and nearly all others; None if they differ."""
    if not seen.size or seen.min() != seen.max():
        return None
    whole = np.asarray(values, np.float64)
    whole = whole[np.isfinite(whole)]
    same = whole.size > 1 and float((whole == seen.flat[0]).mean()) >= _NEARLY_ALL
    return float(seen.flat[0]) if same else None


def doubt_about_labels(label_set: LabelSet, counts: Sequence[int] | npt.NDArray[np.int64]) -> str:
    """A sentence where labels look like a black-and-white mask; empty where they do not.

    counts: (256,) pixels of each label. Of two classes, one never occurs, and 255 does.
    """
    if len(label_set) != 2 or not counts[UNLABELLED] or not any(counts[:2]):
        return ""
    if all(counts[:2]):
        return ""
    there, absent = (0, 1) if counts[0] else (1, 0)
    names = label_set.names
    return (
        f"The labels are {there} ({names[there]}) and 255 (unlabelled) alone, and {absent} "
        f"({names[absent]}) never occurs: if they are black-and-white masks, in which 255 is "
        f"{names[1]}, set labels: binary in dataset.yaml, or store 1 instead of 255."
    )


def doubt_about_clock(topic: str, lag_s: float, clock: str, way_out: str) -> str | None:
    """A sentence where stamps are far from the clock of the machine that received them.

    lag_s: time of arrival minus stamp, in seconds. clock: whose, such as "this machine's clock".
    """
    if abs(lag_s) <= CLOCK_LAG_S:
        return None
    where = "behind" if lag_s > 0 else "ahead of"
    return f"Stamps on {topic} are {seconds_in_words(abs(lag_s))} {where} {clock}; {way_out}"


def seconds_in_words(value: float) -> str:
    """A time span in seconds, or in days where it is long."""
    if value >= 2 * 86400:
        return f"{value / 86400:.0f} days"
    return f"{value:.1f} s" if value >= 10 else f"{value:.3f} s"


class DoubtLog:
    """Counts the doubts about the images of one source, and keeps the first sentence of each."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self.latest: tuple[Doubt, ...] = ()

    def add(self, found: tuple[Doubt, ...]) -> None:
        """Adds what was found in one image and its X."""
        self.looked_at += 1
        self.latest = found
        for doubt in found:
            self.counts[doubt.kind] += 1
            self._first.setdefault(doubt.kind, doubt.words)

    def sentences(self) -> tuple[str, ...]:
        """One for each kind; with how many images, if it was not all of them."""
        return tuple(self._sentence(kind, words) for kind, words in self._first.items())

    def _sentence(self, kind: str, words: str) -> str:
        count = self.counts[kind]
        if count == self.looked_at:
            return words
        return f"{words.removesuffix('.')} ({count} of {self.looked_at} images looked at)."
