# SPDX-License-Identifier: Apache-2.0
"""Reads windows of events from an HDF5 recording in DSEC's layout.

events/x, events/y, events/p and events/t of equal length, t ascending in microseconds, and
t_offset in microseconds, optional. Source: Gehrig, Aarents, Gehrig and Scaramuzza, "DSEC: A Stereo
Event Camera Dataset for Driving Scenarios", RA-L 2021, and the data format on its web page.
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from segrgbx_core.errors import InputError, guarded
from segrgbx_core.files.resources import package_for
from segrgbx_core.readings import Events

H5_SUFFIXES = (".h5", ".hdf5")
DSEC_SIZE = (640, 480)
LONGEST_READING_NS = 1_000_000_000
MOST_EVENTS = 1 << 26
_NS = 1000
_COLUMNS = ("x", "y", "p", "t")


def read_h5(
    path: Path,
    start_ns: int | None = None,
    end_ns: int | None = None,
    size: tuple[int, int] = DSEC_SIZE,
) -> Events:
    """The events of a window of the recording.

    start_ns, end_ns: of the window, start included, end excluded, in nanoseconds on the
    recording's clock (t + t_offset); None for the first event, and for the end of the last one.
    size: width and height of the sensor, which the file does not hold.
    Raises InputError for a file of another layout, a missing package, a window without its end
    after its start or of more than 2^26 events, and events outside the sensor.
    """
    with _opened(path) as file:
        columns = _columns(path, file)
        times = columns["t"]
        if not len(times):
            raise InputError(f"{path} holds no event; record it again.")
        offset = _offset(path, file)
        start = (int(times[0]) + offset) * _NS if start_ns is None else start_ns
        end = (int(times[-1]) + offset + 1) * _NS if end_ns is None else end_ns
        if end <= start:
            raise InputError(
                f"The window of {path} is from {start} to {end} ns; give a later end."
            )
        first, last = (bisect_left(times, -(-t // _NS) - offset) for t in (start, end))
        if last - first > MOST_EVENTS:
            raise InputError(
                f"{path} holds {last - first} events from {start} to {end} ns; expected at most "
                f"{MOST_EVENTS} in a window: give a shorter one."
            )
        x, y, p, t = (np.asarray(columns[name][first:last]) for name in _COLUMNS)
    width, height = size
    if len(x) and (int(x.max()) >= width or int(y.max()) >= height):
        raise InputError(
            f"{path} has an event at ({int(x.max())}, {int(y.max())}), outside {width}x{height}; "
            "give the sensor's true size (segrgbx_core.files.event_h5.read_h5 takes it)."
        )
    return Events(
        x=x.astype(np.uint16),
        y=y.astype(np.uint16),
        polarity=p > 0,
        t_ns=(t.astype(np.int64) + offset) * _NS,
        width=width,
        height=height,
        start_ns=start,
        end_ns=end,
    )


def read_h5_reading(path: Path) -> Events:
    """The whole recording as one window, if it is at most a second long.

    Raises InputError for a longer one, and as `read_h5` does.
    """
    with _opened(path) as file:
        times = _columns(path, file)["t"]
        span = (int(times[-1]) - int(times[0])) * _NS if len(times) else 0
    if span > LONGEST_READING_NS:
        raise InputError(
            f"{path} holds {span / 1e9:.1f} s of events, and one reading is a window of at most "
            f"{LONGEST_READING_NS / 1e9:g} s: cut it with read_h5 of "
            "segrgbx_core.files.event_h5 and write_events (docs/sensors.md, Event files)."
        )
    return read_h5(path)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    h5py = package_for(f"{path}, an HDF5 file of events,", "h5py", "formats")
    # It registers Blosc, which DSEC's files are compressed with.
    package_for(f"{path}, an HDF5 file of events,", "hdf5plugin", "formats")
    refusal = f"{path} cannot be read as an HDF5 file of events ({{}}); copy it again."
    with guarded(str(path), InputError, refusal), h5py.File(path, "r") as file:
        yield file


def _columns(path: Path, file: Any) -> dict[str, Any]:
    """The four datasets. Raises InputError for another layout."""
    group = file.get("events")
    if group is None or not all(name in getattr(group, "keys", dict)() for name in _COLUMNS):
        raise InputError(
            f"{path} is an HDF5 file with {', '.join(list(file)[:8]) or 'nothing'} in it; "
            "expected DSEC's events/x, y, p and t: write one window of it with "
            "write_events (docs/sensors.md, Event files)."
        )
    columns = {name: group[name] for name in _COLUMNS}
    for name, column in columns.items():
        kind = getattr(getattr(column, "dtype", None), "kind", "")
        if kind not in "iub" or not kind or column.shape != columns["t"].shape or column.ndim != 1:
            raise InputError(
                f"{path} holds events/{name} of shape {getattr(column, 'shape', None)}; expected "
                "lists of whole numbers of one length."
            )
    return columns


def _offset(path: Path, file: Any) -> int:
    """t_offset in microseconds; 0 without one."""
    if "t_offset" not in file:
        return 0
    stored = np.asarray(file["t_offset"])
    if stored.size != 1 or stored.dtype.kind not in "iu":
        raise InputError(
            f"{path} holds t_offset as {stored.dtype} of shape {stored.shape}; expected one whole "
            "number of microseconds."
        )
    return int(stored.reshape(-1)[0])
