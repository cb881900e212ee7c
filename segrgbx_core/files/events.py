# SPDX-License-Identifier: Apache-2.0
"""Reads and writes one window of events as a `.npz` file, and names files of other formats."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.files.arrays import arrays_from, names_in
from segrgbx_core.files.disk import input_bytes, write_whole
from segrgbx_core.files.event_h5 import H5_SUFFIXES, read_h5_reading
from segrgbx_core.readings import Events

EVENT_SUFFIX = ".npz"
EVENT_SUFFIXES = (EVENT_SUFFIX, *H5_SUFFIXES)
_COLUMNS = ("x", "y", "polarity", "t_ns")
_NUMBERS = ("width", "height", "start_ns", "end_ns")
_OPTIONAL = ("complete",)
_FARTHEST_NS = 1 << 62
_START, _HDF5 = 256, b"\x89HDF"
_RECORDING = "a ROS 2 recording: replay it, or read its events with the package rosbags"
_OTHERS = {
    b"#ROSBAG V": "a ROS 1 bag: convert it with rosbags-convert and replay it, or read its events "
    "with the package rosbags",
    b"SQLite format 3": _RECORDING,
    b"\x89MCAP0": _RECORDING,
    b"PAR1": "a Parquet file: read its columns with pandas.read_parquet",
}
"""What files of other kinds begin with, and the way to their events."""

_PAGE = "docs/sensors.md, Event files, shows how"
_Arrays = dict[str, npt.NDArray[Any]]


def read_events(path: Path) -> Events:
    """The window that the file holds, in the names and units of `Events`.

    An HDF5 file in DSEC's layout is read whole, if it is short (`event_h5`). In a `.npz` file,
    arrays of equal length: x, y, polarity (bool, or above 0 for brighter) and t_ns, whole
    numbers; single numbers: width, height, start_ns, end_ns and, where a window is not complete,
    complete = 0. Raises InputError for a file that is missing, damaged or lacks one of them, and
    for events outside the sensor or the window.
    """
    if path.is_file() and _start(path).startswith(_HDF5):
        return read_h5_reading(path)
    arrays = _loaded(path)
    for name in (*_COLUMNS, *_NUMBERS, *(n for n in _OPTIONAL if n in arrays)):
        _check(path, name, arrays[name], scalar=name not in _COLUMNS)
    width, height, start, end = (int(arrays[name]) for name in _NUMBERS)
    if not -_FARTHEST_NS <= start < end <= _FARTHEST_NS:
        raise InputError(
            f"{path} holds a window from start_ns {start} to end_ns {end}; expected an end after "
            "its start, both in nanoseconds."
        )
    _check_within(path, arrays["x"], "x", 0, width)
    _check_within(path, arrays["y"], "y", 0, height)
    _check_within(path, arrays["t_ns"], "t_ns", start, end)
    return Events(
        x=arrays["x"].astype(np.uint16),
        y=arrays["y"].astype(np.uint16),
        polarity=arrays["polarity"] > 0,
        t_ns=arrays["t_ns"].astype(np.int64),
        width=width,
        height=height,
        start_ns=start,
        end_ns=end,
        complete=bool(arrays["complete"]) if "complete" in arrays else True,
    )


def write_events(path: Path, events: Events) -> None:
    """Writes what `read_events` reads, whole or not at all; same events, same bytes.

    Raises OutputError where the disk refuses it.
    """
    file = BytesIO()
    np.savez_compressed(
        file,
        x=events.x,
        y=events.y,
        polarity=events.polarity,
        t_ns=events.t_ns,
        width=np.int64(events.width),
        height=np.int64(events.height),
        start_ns=np.int64(events.start_ns),
        end_ns=np.int64(events.end_ns),
        complete=np.bool_(events.complete),
    )
    write_whole(path, file.getvalue())


def _loaded(path: Path) -> _Arrays:
    data = input_bytes(path, f"a {EVENT_SUFFIX} file of events")
    other = _other_format(path, data[:_START])
    if other is not None:
        raise InputError(f"{path} is {other}, then write_events ({_PAGE}).")
    wanted = (*_COLUMNS, *_NUMBERS, *_OPTIONAL)
    arrays = arrays_from(data, wanted, str(path), InputError)
    missing = [name for name in (*_COLUMNS, *_NUMBERS) if name not in arrays]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)}; a file of events holds "
            f"{', '.join(_COLUMNS)}, {', '.join(_NUMBERS)}, and this one "
            f"{', '.join(names_in(data)[:8]) or 'one array'}: write it with write_events "
            f"({_PAGE})."
        )
    return arrays


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_START)


def _other_format(path: Path, start: bytes) -> str | None:
    """What a file of another event format is and how it is converted; None for others."""
    ending = path.suffix.lower()
    if start.startswith(b"#!AER-DAT"):
        version = start[9:12].decode("ascii", "replace").strip()
        return f"an AEDAT {version} file: read it with the package aedat (pip install aedat)"
    if start.startswith(b"%"):
        kind = "DAT" if b"Data file" in start or ending == ".dat" else "RAW"
        return (
            f"a Prophesee {kind} file: convert it to text with Metavision's "
            "metavision_file_to_csv, or read it with the package expelliarmus (pip install "
            "expelliarmus)"
        )
    for magic, what in _OTHERS.items():
        if start.startswith(magic):
            return what
    if ending in (".txt", ".csv") or _is_text(start):
        return "a text file: read its columns with numpy.loadtxt"
    if not start.startswith((b"PK", np.lib.format.MAGIC_PREFIX)):
        return f"not a whole {EVENT_SUFFIX} file: read its events with what wrote them"
    return None


def _is_text(start: bytes) -> bool:
    return bool(start) and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start)


def _check(path: Path, name: str, array: npt.NDArray[Any], scalar: bool) -> None:
    kinds = "iub" if name in ("polarity", *_OPTIONAL) else "iu"
    if array.ndim != (0 if scalar else 1) or array.dtype.kind not in kinds:
        raise InputError(
            f"{path} holds {name} as {array.dtype} of shape {array.shape}; expected "
            f"{'one whole number' if scalar else 'a list of whole numbers'}."
        )


def _check_within(path: Path, values: npt.NDArray[Any], name: str, low: int, high: int) -> None:
    outside = values[(values < low) | (values >= high)]
    if len(outside):
        raise InputError(
            f"{path} has an event with {name} {int(outside[0])}, outside {low} to {high - 1}; "
            "check the sensor's size and the window."
        )
