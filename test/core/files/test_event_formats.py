# SPDX-License-Identifier: Apache-2.0
"""Event files of other makers: HDF5 of DSEC is read, others are named with what converts them."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.doubts import EARLY_EVENTS, doubts_about
from segrgbx_core.encoding import encode
from segrgbx_core.errors import InputError
from segrgbx_core.files.event_h5 import read_h5
from segrgbx_core.files.events import read_events

h5py = pytest.importorskip("h5py")
hdf5plugin = pytest.importorskip("hdf5plugin")

COUNT, OFFSET = 600, 7_000_000
RNG = np.random.default_rng(4)
X, Y = RNG.integers(0, 640, COUNT), RNG.integers(0, 480, COUNT)
P = RNG.integers(0, 2, COUNT)


def written(path: Path, times: npt.NDArray[np.int64], **changed: Any) -> Path:
    """DSEC's layout, compressed by Blosc as its files are."""
    columns = {"x": X.astype(np.uint16), "y": Y.astype(np.uint16), "p": P.astype(np.uint8),
               "t": times.astype(np.uint32), **changed}  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            if values is not None:
                file.create_dataset(f"events/{name}", data=values, **hdf5plugin.Blosc())
        file["t_offset"] = OFFSET
    return path


def test_a_short_recording_is_one_reading(tmp_path: Path) -> None:
    times = np.sort(RNG.integers(0, 50_000, COUNT))
    events = read_events(written(tmp_path / "a.h5", times))
    assert (events.width, events.height, len(events)) == (640, 480, COUNT)
    np.testing.assert_array_equal(events.t_ns, (times + OFFSET) * 1000)
    np.testing.assert_array_equal(events.x, X)
    np.testing.assert_array_equal(events.polarity, P > 0)
    assert (events.start_ns, events.end_ns) == (events.t_ns[0], events.t_ns[-1] + 1000)
    assert encode("event", events).data.shape == (3, 480, 640)


def test_a_window_of_a_long_recording(tmp_path: Path) -> None:
    times = np.sort(RNG.integers(0, 60_000_000, COUNT))
    path = written(tmp_path / "a.hdf5", times)
    with pytest.raises(
        InputError, match=r"holds (59|60)\.\d s of events.* at most 1 s: .*read_h5"
    ):
        read_events(path)
    start, end = (OFFSET + 20_000_000) * 1000, (OFFSET + 30_000_000) * 1000
    window = read_h5(path, start, end)
    inside = (times >= 20_000_000) & (times < 30_000_000)
    assert len(window) == inside.sum() > 0
    np.testing.assert_array_equal(window.t_ns, (times[inside] + OFFSET) * 1000)
    assert (window.start_ns, window.end_ns) == (start, end)
    edge = int(times[300] + OFFSET) * 1000
    assert edge in read_h5(path, edge, end).t_ns
    assert edge not in read_h5(path, edge + 1, end).t_ns
    with pytest.raises(InputError, match="give a later end"):
        read_h5(path, start, start)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"t": None}, "with events, t_offset in it; expected DSEC's events/x, y"),
        ({"x": X[:5].astype(np.uint16)}, r"events/x of shape \(5,\); expected lists"),
        ({"x": X.astype(np.float32)}, r"events/x of shape \(600,\); expected lists of whole"),
        ({"x": X.astype(np.uint16) + 640}, r"outside 640x480; give the sensor's true size"),
    ],
)
def test_other_layouts_are_told(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    path = written(tmp_path / "a.h5", np.arange(COUNT), **changed)
    with pytest.raises(InputError, match=words):
        read_events(path)


def test_a_damaged_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", np.arange(COUNT))
    for cut in (20, 600, path.stat().st_size - 900):
        (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(InputError, match=r"cut.h5 cannot be read as an HDF5 file of events"):
            read_events(tmp_path / "cut.h5")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.h5", np.arange(COUNT))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"needs the package h5py.*'segrgbx_ros\[formats\]'"):
        read_events(path)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.txt", b"0.000001 12 34 1\n", "a text file: read its columns with numpy.loadtxt"),
        ("a.csv", b"x,y,p,t\n", "a text file"),
        ("a.raw", b"% evt 3.0\n" + bytes(100), "Prophesee RAW file: .*metavision_file_to_csv"),
        ("a.dat", b"% Data file containing CD events.\n", "Prophesee DAT file: .*expelliarmus"),
        ("a.bag", b"#ROSBAG V2.0\n" + bytes(99), "a ROS 1 bag: convert it with rosbags-convert"),
        ("a.db3", b"SQLite format 3\0" + bytes(99), "a ROS 2 recording: replay it"),
        ("a.mcap", b"\x89MCAP0\r\n" + bytes(99), "a ROS 2 recording: replay it"),
        ("a.parquet", b"PAR1" + bytes(99), "a Parquet file: .*pandas.read_parquet"),
        ("a.bin", bytes(99), "not a whole .npz file: read its events with what wrote them"),
        ("a.aedat4", b"#!AER-DAT4.0\r\n" + bytes(99), "an AEDAT 4.0 file: .*package aedat"),
    ],
)
def test_other_formats_are_named_with_what_converts_them(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name} is .*{words}.*write_events \(docs/sensors.md"):
        read_events(tmp_path / name)


def test_arrays_of_other_names_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y, timestamp=np.arange(COUNT), polarity=P)
    words = "lacks t_ns, width, .*and this one polarity, timestamp, x, y: write it with"
    with pytest.raises(InputError, match=words):
        read_events(tmp_path / "a.npz")


def test_microseconds_in_a_file_are_doubted(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz", x=X, y=Y, polarity=P, t_ns=np.arange(COUNT) * 80, width=640,
        height=480, start_ns=0, end_ns=50_000_000,
    )  # fmt: skip
    (doubt,) = doubts_about("event", x=read_events(tmp_path / "a.npz"))
    assert doubt.kind == EARLY_EVENTS


def test_the_page_names_what_the_sentences_name(repository: Path) -> None:
    page = (repository / "docs" / "sensors.md").read_text("utf-8")
    section = page.split("### Event files\n")[1].split("\n## ")[0]
    for word in ("read_h5", "write_events", "loadtxt", "metavision_file_to_csv", "expelliarmus",
                 "aedat", "segrgbx_ros[formats]"):  # fmt: skip
        assert word in section
