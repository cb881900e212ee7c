# SPDX-License-Identifier: Apache-2.0
"""Events summed into three panels of the sensor's size.

None of the sums depends on the order of events of one time: weights are multiples of 2^-16, so
that they add up exactly.
"""

import numpy as np
import numpy.typing as npt

from segrgbx_core.readings import Events

_WEIGHT_BITS = 16
_UNIT = 1 << _WEIGHT_BITS
Panels = npt.NDArray[np.float32]
PixelIndex = npt.NDArray[np.intp]


def pixel_index(events: Events) -> PixelIndex:
    """(N,) index of each event's pixel, row by row."""
    index = events.y.astype(np.intp)
    index *= events.width
    index += events.x
    return index


def voxel_grid(events: Events, pixel: PixelIndex) -> Panels:
    """(3, H, W) float32 sums of polarity (+1 or -1), in events.

    Panels stand at the start, the middle and the end of the window, and each event is shared by
    the two nearest ones: V[b](x, y) = sum of p_i max(0, 1 - |b - 2 (t_i - start) / (end - start)|)
    over the events i of the pixel. Source: Zhu et al., "Unsupervised Event-based Learning of
    Optical Flow, Depth, and Egomotion", CVPR 2019, eq. 1 and 2; three panels as in CMX (Zhang et
    al., T-ITS 2023). The time runs over the window, not from the first to the last event, so that
    a single event does not stretch it.
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
    """(2, H, W) int64 number of events of each pixel: brighter, then darker."""
    size = events.height * events.width
    darker = pixel + size * ~events.polarity
    return np.bincount(darker, minlength=2 * size).reshape(2, events.height, events.width)


def latest_times(events: Events, pixel: PixelIndex) -> npt.NDArray[np.int64]:
    """(2, H, W) int64 time of the latest event of each pixel, brighter then darker, in
    nanoseconds after the window's start; -1 where there is none."""
    size = events.height * events.width
    latest = np.full(2 * size, -1, np.int64)
    index = pixel + size * ~events.polarity
    after = events.t_ns - events.start_ns
    if (after[1:] < after[:-1]).any():
        order = np.argsort(after, kind="stable")
        index, after = index[order], after[order]
    latest[index] = after
    return latest.reshape(2, events.height, events.width)
