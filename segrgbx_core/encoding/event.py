# SPDX-License-Identifier: Apache-2.0
"""Encode a window of events as planes: when, where and in which direction brightness changed.

Events are first summed into panels of the sensor's size. The sums do not depend on the order of
events with equal timestamps: weights are multiples of 2^-16, so float addition is exact.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import (
    Encoding,
    EncodingSettings,
    PlaneNames,
    PlaneNoise,
    setting,
)
from segrgbx_core.errors import InputError
from segrgbx_core.files.events import EVENT_SUFFIXES, read_events
from segrgbx_core.readings import Events, Planes

_WEIGHT_BITS = 16
_UNIT = 1 << _WEIGHT_BITS
Panels = npt.NDArray[np.float32]
PixelIndex = npt.NDArray[np.intp]


def pixel_index(events: Events) -> PixelIndex:
    """(N,) index of each event's pixel in row-major order."""
    index = events.y.astype(np.intp)
    index *= events.width
    index += events.x
    return index


def voxel_grid(events: Events, pixel: PixelIndex) -> Panels:
    """(3, H, W) float32 sums of polarity (+1 or -1), in events.

    The panels are at the start, the middle and the end of the window. Each event is split between
    the two nearest: V[b](x, y) = sum of p_i max(0, 1 - |b - 2 (t_i - start) / (end - start)|)
    over the events i of the pixel. Source: Zhu et al., "Unsupervised Event-based Learning of
    Optical Flow, Depth, and Egomotion", CVPR 2019, eq. 1 and 2; three panels as in CMX (Zhang et
    al., T-ITS 2023). Time is relative to the window, not to the first and last event, so a single
    late event does not rescale it.
    """
    size = events.height * events.width
    place = (events.t_ns - events.start_ns).astype(np.float64)
    place *= 2 * _UNIT / (events.end_ns - events.start_ns)
    np.rint(place, out=place)
    late = place >= _UNIT
    polarity = np.where(events.polarity, 1.0, -1.0)
    share = (place - late * _UNIT) * polarity
    half = pixel + late * size
    total = np.bincount(half, polarity, 2 * size)
    later = np.bincount(half, share, 2 * size) / _UNIT
    panels = np.empty((3, size), np.float32)
    panels[0] = total[:size] - later[:size]
    panels[1] = later[:size] + total[size:] - later[size:]
    panels[2] = later[size:]
    return panels.reshape(3, events.height, events.width)


def event_counts(events: Events, pixel: PixelIndex) -> npt.NDArray[np.int64]:
    """(2, H, W) int64 event count of each pixel: brighter, then darker."""
    size = events.height * events.width
    darker = pixel + size * ~events.polarity
    return np.bincount(darker, minlength=2 * size).reshape(2, events.height, events.width)


def latest_times(events: Events, pixel: PixelIndex) -> npt.NDArray[np.int64]:
    """(2, H, W) int64 time of each pixel's latest event: brighter, then darker.

    In nanoseconds after the window's start; -1 without an event.
    """
    size = events.height * events.width
    latest = np.full(2 * size, -1, np.int64)
    index = pixel + size * ~events.polarity
    after = events.t_ns - events.start_ns
    if (after[1:] < after[:-1]).any():
        order = np.argsort(after, kind="stable")
        index, after = index[order], after[order]
    latest[index] = after
    return latest.reshape(2, events.height, events.width)


FEWEST = 8
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)


def hot_pixels(
    counts: npt.NDArray[np.int64], duration_s: float, ratio: float, rate_hz: float
) -> npt.NDArray[np.bool_]:
    """(H, W) bool: True for hot pixels.

    counts: (H, W) events of each pixel within duration_s seconds. A pixel is hot if it fires at
    rate_hz or more, at least FEWEST times, and more than `ratio` times as often as the busiest of
    its eight neighbours. An edge in the scene always crosses several pixels.
    """
    fired = counts.astype(np.float32)
    neighbours = cv2.dilate(fired, _NEIGHBOURS)
    hot: npt.NDArray[np.bool_] = fired >= max(rate_hz * duration_s, FEWEST)
    return hot & (fired > ratio * neighbours)


Representation = Literal["voxel_grid", "polarity_counts", "time_surface"]
Response = Literal["log", "linear"]
RESPONSES: tuple[Response, ...] = ("log", "linear")
REPRESENTATIONS: tuple[Representation, ...] = ("voxel_grid", "polarity_counts", "time_surface")
_NS_PER_MS = 1e6


@dataclass(frozen=True)
class EventSettings(EncodingSettings):
    """How a window of events is encoded."""

    representation: Representation = setting(
        "voxel_grid",
        "voxel_grid: brightness change at the window's start, middle and end, 0.5 is none; "
        "polarity_counts: how often brighter and darker, and how recently; time_surface: how "
        "recently brighter, darker, and either",
    )
    full_scale: float | None = setting(
        None,
        "Events of one pixel that reach 0 or 1 in voxel_grid and polarity_counts; none: the "
        "percentile below, at least one event",
        "events",
        "above 0",
    )
    percentile: float = setting(
        99.0, "Of the pixels with events, for full_scale none", "%", "above 0 to 100"
    )
    response: Response = setting(
        "log",
        "How few events compare with many in a voxel grid: log keeps a faint edge visible beside "
        "a lamp, linear is in proportion",
    )
    decay_ms: float = setting(
        20.0, "Time after which a time surface has fallen to 1/e", "ms", "above 0"
    )
    hot_pixel_ratio: float | None = setting(
        5.0,
        "A pixel that fires this many times more often than any neighbour is hot, and invalid; "
        "none: no pixel is",
        "times",
        "above 1",
    )
    hot_pixel_rate_hz: float = setting(
        200.0, "Below this rate no pixel is taken as hot", "Hz", "0 or more"
    )
    use_incomplete: bool = setting(
        False, "Uses windows with lost events as they are, instead of making them invalid"
    )

    def __post_init__(self) -> None:
        if self.representation not in REPRESENTATIONS:
            raise InputError(
                f"Event representation '{self.representation}' is unknown; expected one of "
                f"{', '.join(REPRESENTATIONS)}."
            )
        if self.response not in RESPONSES:
            raise InputError(
                f"Event response '{self.response}' is unknown; expected one of "
                f"{', '.join(RESPONSES)}."
            )
        _check_bounds("full_scale", self.full_scale, 0.0, math.inf)
        _check_bounds("percentile", self.percentile, 0.0, 100.0)
        _check_bounds("decay_ms", self.decay_ms, 0.0, math.inf)
        _check_bounds("hot_pixel_ratio", self.hot_pixel_ratio, 1.0, math.inf)
        if not 0.0 <= self.hot_pixel_rate_hz < math.inf:
            raise InputError(
                f"Event setting hot_pixel_rate_hz is {self.hot_pixel_rate_hz}; expected 0 or more."
            )


def _check_bounds(name: str, value: float | None, above: float, up_to: float) -> None:
    if value is not None and not (above < value <= up_to and math.isfinite(value)):
        limit = "" if math.isinf(up_to) else f" and up to {up_to:g}"
        raise InputError(f"Event setting {name} is {value}; expected above {above:g}{limit}.")


def encode_event(reading: Events, settings: EventSettings | None = None) -> Planes:
    """Encodes the events of one window as planes of the sensor's size.

    Returns planes (3, H, W) float32 in 0..1 and validity (H, W) bool. Hot pixels are invalid. All
    pixels of an incomplete window are invalid unless `use_incomplete` is set, since a pixel
    without events may have lost them. Events with equal timestamps may come in any order.
    Raises InputError for a window of no length, without events, or with events outside it.
    """
    settings = settings or EventSettings()
    _check_window(reading)
    pixel = pixel_index(reading)
    hot = _hot(reading, pixel, settings)
    planes = _PLANES[settings.representation](reading, pixel, ~hot, settings)
    valid = ~hot if reading.complete or settings.use_incomplete else np.zeros_like(hot)
    planes *= valid
    return Planes(planes, valid)


def _check_window(reading: Events) -> None:
    length_ms = (reading.end_ns - reading.start_ns) / _NS_PER_MS
    if length_ms <= 0:
        raise InputError(
            f"The event window is {length_ms:g} ms long; expected an end after its start."
        )
    if not len(reading):
        raise InputError(
            f"The event window of {length_ms:g} ms has no event; check that the sensor runs and "
            "that its lens cap is off, or take a longer window."
        )
    first, last = int(reading.t_ns.min()), int(reading.t_ns.max())
    if first < reading.start_ns or last >= reading.end_ns:
        raise InputError(
            f"The events span {(first - reading.start_ns) / _NS_PER_MS:g} to "
            f"{(last - reading.start_ns) / _NS_PER_MS:g} ms after the window's start, but the "
            f"window is {length_ms:g} ms long; cut them with segrgbx_core.event_stream.window."
        )


def _hot(reading: Events, pixel: PixelIndex, settings: EventSettings) -> npt.NDArray[np.bool_]:
    shape = (reading.height, reading.width)
    if settings.hot_pixel_ratio is None:
        return np.zeros(shape, np.bool_)
    counts = np.bincount(pixel, minlength=shape[0] * shape[1]).reshape(shape)
    duration_s = (reading.end_ns - reading.start_ns) / 1e9
    return hot_pixels(counts, duration_s, settings.hot_pixel_ratio, settings.hot_pixel_rate_hz)


def _scale(magnitude: npt.NDArray[Any], settings: EventSettings) -> float:
    """The number of events that is mapped to the end of the range; zeros are left out."""
    if settings.full_scale is not None:
        return settings.full_scale
    nonzero = magnitude[magnitude > 0]
    if not len(nonzero):
        return 1.0
    rank = min(len(nonzero) - 1, int(settings.percentile / 100 * len(nonzero)))
    return max(1.0, float(np.partition(nonzero, rank)[rank]))


def _voxel_planes(
    reading: Events, pixel: PixelIndex, keep: npt.NDArray[np.bool_], settings: EventSettings
) -> Panels:
    """0.5 + 0.5 V / full scale, clipped to 0..1.

    For response "log", V and full scale are replaced by sign(V) ln(1 + |V|).
    """
    panels = voxel_grid(reading, pixel)
    panels *= keep
    magnitude = np.abs(panels)
    scale = _scale(magnitude, settings)
    if settings.response == "log":
        np.log1p(magnitude, out=magnitude, where=magnitude > 0)
        np.copysign(magnitude, panels, out=panels)
        scale = math.log1p(scale)
    panels *= 0.5 / scale
    panels += 0.5
    return np.clip(panels, 0.0, 1.0, out=panels)


def _count_planes(
    reading: Events, pixel: PixelIndex, keep: npt.NDArray[np.bool_], settings: EventSettings
) -> Panels:
    """log(1 + n) / log(1 + full scale) for each polarity, and the time of the latest event.

    The time is 0 at the window's start and 1 at its end. After EV-FlowNet (Zhu et al., RSS 2018),
    which has one such time for each polarity.
    """
    counts = event_counts(reading, pixel)
    latest = latest_times(reading, pixel).max(axis=0)
    fired = (counts > 0) & keep
    positive = counts[fired].astype(np.float32)
    planes = np.zeros((3, *keep.shape), np.float32)
    planes[:2][fired] = np.log1p(positive) / np.log1p(_scale(positive, settings))
    seen = fired.any(axis=0)
    planes[2][seen] = (latest[seen] + 1) / (reading.end_ns - reading.start_ns)
    return np.clip(planes, 0.0, 1.0, out=planes)


def _surface_planes(
    reading: Events, pixel: PixelIndex, keep: npt.NDArray[np.bool_], settings: EventSettings
) -> Panels:
    """exp(-(end - t) / decay) of the latest brighter, darker and any event; 0 without an event.

    Source: Lagorce et al., "HOTS", TPAMI 2017, eq. 3.
    """
    latest = latest_times(reading, pixel)
    latest = np.concatenate([latest, latest.max(axis=0, keepdims=True)])
    fired = (latest >= 0) & keep
    age_ms = (reading.end_ns - reading.start_ns - latest[fired]) / _NS_PER_MS
    planes = np.zeros(latest.shape, np.float32)
    planes[fired] = np.exp(-age_ms / settings.decay_ms)
    return planes


_PLANES = {
    "voxel_grid": _voxel_planes,
    "polarity_counts": _count_planes,
    "time_surface": _surface_planes,
}


_PLANE_NAMES: dict[str, PlaneNames] = {
    "voxel_grid": ("change at the start", "change in the middle", "change at the end"),
    "polarity_counts": ("how often brighter", "how often darker", "how recently"),
    "time_surface": ("how recently brighter", "how recently darker", "how recently"),
}


def _plane_names(settings: EventSettings) -> PlaneNames:
    return _PLANE_NAMES[settings.representation]


def _read(path: Path, grid: tuple[int, int] | None = None) -> Events:
    del grid
    return read_events(path)


# A different contrast threshold scales the counts, which is a gain about 0.5 (no event). Noise
# events affect single pixels, more so at night.
ENCODING = Encoding(
    encode_event,
    EventSettings,
    (Events,),
    _plane_names,
    read=_read,
    suffixes=EVENT_SUFFIXES,
    noise=PlaneNoise(gain=0.5, planes=(0.3, 0.3, 0.3), specks=0.01),
    imaged=None,
)
