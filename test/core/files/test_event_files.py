# SPDX-License-Identifier: Apache-2.0
"""Windows of events as files, and a sentence for each file that is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.files.events import read_events, write_events
from segrgbx_core.readings import Events

START = 1_700_000_000_000_000_000
GOOD: dict[str, Any] = {
    "x": np.array([0, 3, 7], np.uint16),
    "y": np.array([5, 0, 2], np.uint16),
    "polarity": np.array([True, False, True]),
    "t_ns": START + np.array([0, 10, 999], np.int64),
    "width": np.int64(8),
    "height": np.int64(6),
    "start_ns": np.int64(START),
    "end_ns": np.int64(START + 1000),
}


def same(a: Events, b: Events) -> bool:
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in (*GOOD, "complete"))


@pytest.mark.parametrize("complete", [True, False])
def test_what_was_written_is_read_back_and_the_bytes_are_equal(
    tmp_path: Path, complete: bool
) -> None:
    events = Events(**{**GOOD, "width": 8, "height": 6}, complete=complete)
    for name in ("a.npz", "b.npz"):
        write_events(tmp_path / name, events)
    back = read_events(tmp_path / "a.npz")
    assert same(back, events)
    assert (back.x.dtype, back.t_ns.dtype) == (np.uint16, np.int64)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_other_integer_types_and_signs_of_polarity(tmp_path: Path) -> None:
    wide = {**GOOD, "x": GOOD["x"].astype(np.int32), "polarity": np.array([1, -1, 1], np.int8)}
    np.savez(tmp_path / "a.npz", **wide)
    events = read_events(tmp_path / "a.npz")
    assert events.polarity.tolist() == [True, False, True]
    assert events.x.dtype == np.uint16
    assert events.complete


def test_an_empty_window_is_a_window(tmp_path: Path) -> None:
    none = {n: GOOD[n][:0] for n in ("x", "y", "polarity", "t_ns")}
    np.savez(tmp_path / "a.npz", **{**GOOD, **none})
    assert len(read_events(tmp_path / "a.npz")) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"t_ns": None}, r"lacks t_ns;"),
        ({"x": np.array([0.5, 1, 2])}, r"x as float64 .*\(3,\); .*list"),
        ({"width": np.array([8, 8])}, r"width as int64 .*\(2,\); .*one"),
        ({"x": np.array([0, 3, 8])}, "x 8, outside 0 to 7"),
        ({"y": np.array([0, -1, 2])}, "y -1, outside 0 to 5"),
        (
            {"t_ns": START + np.array([0, 1, 1000])},
            f"with t_ns {START + 1000}, outside {START} to",
        ),
        ({"complete": np.array([1, 0])}, r"complete as int64 .*\(2,\); .*one"),
        ({"complete": "no"}, "holds complete as <U2"),
        ({"end_ns": np.int64(START)}, f"from start_ns {START} to end_ns {START}; exp"),
        ({"width": np.int64(10**6), "height": np.int64(10**6)}, "1000000x1000000 pixels"),
        ({"polarity": np.array([True])}, r"lengths \[1, 3\]"),
    ],
)
def test_a_file_with_something_wrong_is_told_what(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    arrays = {n: a for n, a in {**GOOD, **change}.items() if a is not None}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=words):
        read_events(tmp_path / "a.npz")


def test_files_of_other_kinds(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", **GOOD)
    cut = (tmp_path / "whole.npz").read_bytes()[:-40]
    (tmp_path / "cut.npz").write_bytes(cut)
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "object.npz", **{**GOOD, "x": np.array([{}] * 3, object)})
    for name in ("cut", "object"):
        with pytest.raises(InputError, match=r"not a whole .npz"):
            read_events(tmp_path / f"{name}.npz")
    with pytest.raises(InputError, match=r"text.npz is a text file: .*numpy.loadtxt"):
        read_events(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", GOOD["x"])
    with pytest.raises(InputError, match="lacks x, y, polarity"):
        read_events(tmp_path / "one.npy")
    with pytest.raises(InputError, match="does not exist"):
        read_events(tmp_path / "none.npz")
    with pytest.raises(InputError, match=r"is a folder; .*.npz"):
        read_events(tmp_path)
