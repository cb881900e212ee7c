# SPDX-License-Identifier: Apache-2.0
"""Doubts about data that can be used but looks wrong: one list of checks for every mode.

The live node, replay, inspect, segment, encode, evaluate, training and `data check` ask the same
checks and print the same sentences. What cannot be used at all is an error, raised where it is
read or encoded.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
LEAST_SAME = 5
_PARTS_COMPARED = 64
_NEARLY_ALL = 0.99
_DARK = 16

ONE_X, NO_READING = "one X value everywhere", "almost no X value"
SWAPPED_X, CUT_X = "X bytes in the other order", "most X pixels at 255"
EARLY_EVENTS = "all events at the start of their window"
ONE_RGB, DARK_RGB, GREY_RGB = "one RGB value everywhere", "an almost black image", "a grey image"
SAME_RGB, SAME_X = "the same RGB image as before", "the same X as before"
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


@dataclass(frozen=True)
class Clock:
    """The clock that stamps are held against.

    name: whose it is. behind_s, ahead_s: how far stamps may be from it, in seconds. way_out: what
    it means or what to do.
    """

    name: str
    behind_s: float
    ahead_s: float
    way_out: str


LIVE_CLOCK = Clock(
    "this machine's clock",
    5.0,
    5.0,
    "masks have the same stamps, so TF lookups of their consumers will fail: play bags with "
    "--clock and launch with use_sim_time:=true, or synchronise the clocks.",
)
RECORDED_CLOCK = Clock(
    "the recorder's clock",
    1.0,
    0.02,
    "the sensor stamps by another clock, or an old recording was recorded again.",
)


def doubt_about_clock(topic: str, lag_s: float, clock: Clock) -> str | None:
    """A sentence where stamps are far from the clock of the machine that received them.

    lag_s: time of arrival minus stamp, in seconds.
    """
    if -clock.ahead_s <= lag_s <= clock.behind_s:
        return None
    where = "behind" if lag_s > 0 else "ahead of"
    apart = seconds_in_words(abs(lag_s))
    return f"Stamps on {topic} are {apart} {where} {clock.name}; {clock.way_out}"


def seconds_in_words(value: float) -> str:
    """A time span in seconds, or in hours or days where it is long."""
    if value >= 2 * 86400:
        return f"{value / 86400:.0f} days"
    if value >= 2 * 3600:
        return f"{value / 3600:.3g} hours"
    return f"{value:.1f} s" if value >= 10 else f"{value:.3f} s"


class Repeats:
    """Whether a camera gives the same image again and again, as a frozen one does.

    Noise makes even two equal images of a real sensor unlikely; some drivers send each image two
    or three times, so LEAST_SAME in a row are a doubt. what: the images, such as "thermal".
    """

    def __init__(self, kind: str, what: str) -> None:
        self._kind, self._what = kind, what
        self._last: npt.NDArray[np.generic] | None = None
        self._in_a_row = self.images = self.count = 0

    def add(self, image: npt.NDArray[np.generic]) -> int:
        """Compares with the image before; how many more of them are now known to be repeats.

        image: of any shape and type, kept until the next one; or anything that is equal for equal
        images.
        """
        same = self._last is not None and _same(self._last, image)
        self._last = image
        self.images += 1
        self._in_a_row = self._in_a_row + 1 if same else 1
        new = max(0, self._in_a_row - LEAST_SAME + 1)
        new = LEAST_SAME - 1 if new == 1 else min(new, 1)
        self.count += new
        return new

    def now(self) -> tuple[Doubt, ...]:
        """The doubt about the latest image, or none."""
        return (self._doubt(),) if self._in_a_row >= LEAST_SAME else ()

    def sentences(self) -> tuple[str, ...]:
        """The doubt about all images so far, or none."""
        return (_counted(self._doubt().words, self.count, self.images),) if self.count else ()

    def _doubt(self) -> Doubt:
        return Doubt(
            self._kind,
            f"The {self._what} images repeat the one before to the last bit, as those of a frozen "
            "camera: check its driver and cable; otherwise only a still scene of a simulator "
            "without noise looks so.",
        )


def repeats_of(modality: str) -> tuple[Repeats, Repeats]:
    """Those of the RGB images and of X."""
    return Repeats(SAME_RGB, "RGB"), Repeats(SAME_X, spoken(modality))


def image_of(x: Reading | Planes) -> npt.NDArray[np.generic] | None:
    """The numbers by which `Repeats` compares readings; None for events."""
    return None if isinstance(x, Events) else _values(x)


def _same(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    """Equal in shape, type and all numbers; a few are compared first, since most images differ."""
    if one.shape != other.shape or one.dtype != other.dtype or not one.size:
        return False
    nan = one.dtype.kind == "f"
    few = slice(None, None, max(1, len(one) // _PARTS_COMPARED))
    return np.array_equal(one[few], other[few], nan) and np.array_equal(one, other, nan)


class DoubtLog:
    """Counts the doubts about the images of one source, and keeps the first sentence of each.

    modality, settings: X's, as in `doubts_about`. look_every: the first of how many images is
    asked all checks; each is compared with the one before.
    """

    def __init__(
        self,
        modality: str = NO_X,
        settings: EncodingSettings | None = None,
        look_every: int = 1,
    ) -> None:
        self.looked_at = 0
        self.counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._modality, self._settings = modality, settings
        self._look_every, self._images = look_every, 0
        self._latest: tuple[Doubt, ...] = ()
        self._rgb, self._x = repeats_of(modality)

    def look(
        self, rgb: RgbImage | None = None, x: Reading | Planes | None = None, new_x: bool = True
    ) -> None:
        """Looks at one image and its X. new_x: whether X is another than the image before had."""
        if self._images % self._look_every == 0:
            self.add(doubts_about(self._modality, rgb, x, self._settings))
        self._images += 1
        self.compare(rgb, image_of(x) if x is not None and new_x else None)

    def compare(
        self, rgb: npt.NDArray[np.generic] | None, x: npt.NDArray[np.generic] | None
    ) -> None:
        """Compares an image and an X with those before, as `Repeats.add` does."""
        if rgb is not None:
            self._rgb.add(rgb)
        if x is not None and self._modality != NO_X:
            self._x.add(x)

    def add(self, found: tuple[Doubt, ...]) -> None:
        """Adds what was found in one image and its X."""
        self.looked_at += 1
        self._latest = found
        for doubt in found:
            self.counts[doubt.kind] += 1
            self._first.setdefault(doubt.kind, doubt.words)

    @property
    def latest(self) -> tuple[Doubt, ...]:
        """The doubts about the image that was looked at last."""
        kinds = {doubt.kind for doubt in self._latest}
        return (*self._latest, *(d for r in self._repeats(kinds) for d in r.now()))

    def sentences(self) -> tuple[str, ...]:
        """One for each kind; with how many images, if it was not all of them."""
        found = (
            _counted(words, self.counts[kind], self.looked_at)
            for kind, words in self._first.items()
        )
        return (*found, *(s for r in self._repeats(set(self._first)) for s in r.sentences()))

    def _repeats(self, found: set[str]) -> Iterator[Repeats]:
        """Those that are no other doubt's: images of one value are all the same."""
        if ONE_RGB not in found:
            yield self._rgb
        if not found & {ONE_X, NO_READING}:
            yield self._x


def _counted(words: str, count: int, looked_at: int) -> str:
    """The sentence, with how many images if it was not all of them."""
    if count == looked_at:
        return words
    return f"{words.removesuffix('.')} ({count} of {looked_at} images looked at)."
