# SPDX-License-Identifier: Apache-2.0
"""The tone curve of a thermal frame (range and equalisation), and its smoothing in a video."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_FEW = 65536
_SAMPLE_STEP = 16
_BRACKET = 0.5


def percentile(values: npt.NDArray[np.float32], percent: float) -> float:
    """numpy.percentile of (N,) values, N at least 1.

    A sample brackets the percentile, and only values within the bracket are sorted (the idea of
    Floyd and Rivest's SELECT, 1975).
    """
    place = (len(values) - 1) * (percent / 100.0)
    if len(values) > _FEW:
        sample = values[::_SAMPLE_STEP]
        wanted = np.clip([percent - _BRACKET, percent + _BRACKET], 0, 100)
        low, high = np.percentile(sample, wanted, method="nearest")
        if percent < _BRACKET:
            low = np.float32(-np.inf)
        if percent > 100 - _BRACKET:
            high = np.float32(np.inf)
        below = int(np.count_nonzero(values < low))
        among = values[(values >= low) & (values <= high)]
        if below <= place and place + 1 <= below + len(among) - 1:
            return _at(among, place - below)
    return _at(values, place)


def counted_percentile(
    values: npt.NDArray[np.float32], counts: npt.NDArray[np.int64], percent: float
) -> float:
    """Like `percentile`, for ascending values that each occur `counts` times."""
    upto = np.cumsum(counts)
    place = (int(upto[-1]) - 1) * (percent / 100.0)
    below = int(place)
    above = min(below + 1, int(upto[-1]) - 1)
    low, high = values[np.searchsorted(upto, [below, above], side="right")]
    return _between(float(low), float(high), place - below)


def _at(values: npt.NDArray[np.float32], place: float) -> float:
    below = int(place)
    above = min(below + 1, len(values) - 1)
    ordered = np.partition(values, (below, above))
    return _between(float(ordered[below]), float(ordered[above]), place - below)


def _between(low: float, high: float, part: float) -> float:
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


Values = npt.NDArray[np.float32]
PixelCounts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]

_BINS = 1024
_EDGES = np.linspace(0, _BINS / (_BINS - 1), _BINS + 1)
_TABLE = 65536
_BLOCK = 16384
_QUARTILES = (25.0, 50.0, 75.0)
_SCENE_STEP = 0.2


@dataclass(frozen=True)
class ThermalRange:
    """cold, hot: readings that become 0 and 1; cold > hot if readings fall with temperature."""

    cold: float
    hot: float

    @property
    def flat(self) -> bool:
        """Whether the range is empty."""
        return self.cold == self.hot

    def stretched(self, values: Values, out: Values | None = None) -> Values:
        """Maps values of any shape linearly to 0 at cold and 1 at hot, clipped to 0..1."""
        scaled = np.empty_like(values) if out is None else out
        np.subtract(values, np.float32(self.cold), out=scaled)
        scaled /= np.float32(self.hot - self.cold)
        return np.clip(scaled, 0.0, 1.0, out=scaled)


@dataclass(frozen=True, eq=False)
class ThermalTone:
    """The tone curve of one frame.

    range: the readings that become 0 and 1. colder: (1025,) share of the pixels below each of
    1025 evenly spaced readings of the range.
    """

    range: ThermalRange
    colder: Shares


def frame_range(
    values: Values, counts: PixelCounts | None, ends: tuple[float, float]
) -> ThermalRange:
    """The readings at two percentiles, in percent from the lowest reading.

    values: (N,) usable readings. counts: (N,) number of pixels of each reading, for ascending
    values; None for one pixel each.
    """
    if counts is None:
        return ThermalRange(*(percentile(values, end) for end in ends))
    return ThermalRange(*(counted_percentile(values, counts, end) for end in ends))


def smoothed(now: ThermalRange, earlier: ThermalTone | None, memory: float) -> ThermalRange:
    """A frame's range smoothed over time: memory x earlier + (1 - memory) x now."""
    if earlier is None:
        return now
    before = earlier.range
    return ThermalRange(
        memory * before.cold + (1 - memory) * now.cold,
        memory * before.hot + (1 - memory) * now.hot,
    )


def same_scene(values: Values, counts: PixelCounts | None, earlier: ThermalTone) -> bool:
    """Whether the frame shows the same scene as the earlier tone.

    Compares the ranks of the quartiles with a tolerance of a fifth of the pixels. A person who
    walks in changes them less; a tunnel's end or a new camera gain changes them more. values,
    counts: as in `frame_range`.
    """
    span = earlier.range
    for end in _QUARTILES:
        if counts is None:
            reading = percentile(values, end)
        else:
            reading = counted_percentile(values, counts, end)
        place = (reading - span.cold) / (span.hot - span.cold)
        share = float(np.interp(place, _EDGES, earlier.colder))
        if abs((share if span.cold < span.hot else 1 - share) - end / 100) > _SCENE_STEP:
            return False
    return True


def colder_shares(
    stretched: Values,
    counts: PixelCounts | None,
    span: ThermalRange,
    earlier: ThermalTone | None,
    memory: float,
    unknown: int = 0,
) -> Shares:
    """The curve (1025,) of histogram equalisation, smoothed towards the earlier frame's.

    stretched: any shape, in 0..1 over the range `span`. counts: number of pixels of each value;
    None for one each. unknown: number of values that are 0 because they are not known.
    """
    bins = (stretched * (_BINS - 1)).astype(np.uint16)
    if counts is None:
        filled = cv2.calcHist([bins], [0], None, [_BINS], [0, _BINS])[:, 0]
    else:
        filled = np.bincount(bins, weights=counts, minlength=_BINS)
    upto = np.concatenate([[0.0], np.cumsum(filled, dtype=np.float64) - unknown])
    shares: Shares = upto / upto[-1]
    if earlier is None:
        return shares
    return memory * _moved(earlier, span) + (1 - memory) * shares


def _moved(tone: ThermalTone, span: ThermalRange) -> Shares:
    """A tone's curve resampled over another range; each reading keeps its share."""
    readings = span.cold + _EDGES * (span.hot - span.cold)
    own = (readings - tone.range.cold) / (tone.range.hot - tone.range.cold)
    return np.interp(own, _EDGES, tone.colder)


def equalised(stretched: Values, colder: Shares, out: Values | None = None) -> Values:
    """The share of colder pixels, for values in 0..1 of any shape."""
    if stretched.size <= _TABLE:
        shares = np.interp(stretched, _EDGES, colder).astype(np.float32)
        if out is not None:
            out[...] = shares
        return shares
    steps = np.linspace(0, 1, _TABLE, dtype=np.float32)
    table = np.interp(steps, _EDGES, colder).astype(np.float32)
    done = np.empty_like(stretched) if out is None else out
    flat, flat_done = stretched.reshape(-1), done.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        table.take((flat[part] * (_TABLE - 1)).astype(np.intp), out=flat_done[part], mode="clip")
    return done
