# SPDX-License-Identifier: Apache-2.0
"""Names and slices of a set of recordings."""

import sys
from pathlib import Path

import pytest

from segrgbx_core.errors import InputError
from segrgbx_ros.drives.plan import Refused, SetOptions, Task, around_s, drive_names, planned
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.options import FurtherFiles, TruthOptions

sys.path.insert(0, str(Path(__file__).parent))
from drive_bags import START, drive_bag, drive_options

S = 1_000_000_000


def test_names_are_those_of_folders_and_files() -> None:
    bags = [Path("/d/monday"), Path("/d/tuesday_0.mcap"), Path("/d/old.db3.zstd")]
    assert list(drive_names(bags, {}).values()) == ["monday", "tuesday_0", "old"]


def test_equal_names_are_told_apart_by_their_folders_and_then_counted() -> None:
    bags = [Path("/a/bag"), Path("/b/bag"), Path("/c/b/bag"), Path("/d/other")]
    assert list(drive_names(bags, {}).values()) == ["a_bag", "b_bag", "b_bag_2", "other"]


def test_a_name_of_the_sets_own_files_is_not_taken() -> None:
    bags = [Path("/d/masks"), Path("/d/summary.json")]
    assert list(drive_names(bags, {}).values()) == ["masks_2", "summary.json_2"]


def test_names_of_an_earlier_run_stay_when_a_bag_is_added() -> None:
    known = {"/a/bag": "bag"}
    names = drive_names([Path("/a/bag"), Path("/b/bag")], known)
    assert names == {Path("/a/bag"): "bag", Path("/b/bag"): "b_bag"}


def test_a_bag_twice_is_refused(tmp_path: Path) -> None:
    bags = (tmp_path / "bag", tmp_path / "x" / ".." / "bag")
    with pytest.raises(InputError, match="bag is given more than once"):
        SetOptions(bags, tmp_path, drive_options(tmp_path, tmp_path))


def test_slices_do_not_go_with_max_frames(tmp_path: Path) -> None:
    each = drive_options(tmp_path, tmp_path, max_frames=3)
    with pytest.raises(InputError, match="leave out --max-frames or --slice"):
        SetOptions((tmp_path,), tmp_path, each, 10.0)


def test_slices_do_not_go_with_a_file_of_conditions(tmp_path: Path) -> None:
    each = drive_options(tmp_path, tmp_path, truth=TruthOptions(conditions=tmp_path / "c.yaml"))
    with pytest.raises(InputError, match="leave out --slice, or record the conditions on a topic"):
        SetOptions((tmp_path,), tmp_path, each, 10.0)


def test_a_slice_knows_the_condition_that_began_before_it(tmp_path: Path) -> None:
    bag = drive_bag(tmp_path / "bag", range(100), conditions={0: "day", 50: "night"})
    each = drive_options(tmp_path, tmp_path)
    plan = planned(SetOptions((bag,), tmp_path / "out", each, 4.0), {})
    spans = [task.options.span for task in plan if isinstance(task, Task)]
    held = [[m.log_time_ns - START for m in span.before] for span in spans if span is not None]
    assert held == [[], [0], [50 * 100 * 1_000_000]]


def test_a_bag_becomes_a_task_in_a_folder_of_its_name(tmp_path: Path) -> None:
    each = drive_options(tmp_path, tmp_path, resume=True)
    [task] = planned(SetOptions((Path("/d/monday"),), tmp_path, each), {})
    assert isinstance(task, Task)
    assert (task.name, task.drive, task.again) == ("monday", "monday", False)
    assert task.options.bag == Path("/d/monday")
    assert task.options.out == tmp_path / "monday"
    assert task.options.resume is False


def test_further_files_lie_in_each_replays_folder(tmp_path: Path) -> None:
    files = FurtherFiles(rrd=tmp_path / "all.rrd", video=tmp_path / "out" / "replay.mp4")
    each = drive_options(tmp_path, tmp_path, files=files)
    plan = planned(SetOptions((Path("/d/a"), Path("/d/b")), tmp_path, each), {})
    tasks = [task.options.files for task in plan if isinstance(task, Task)]
    assert [files.rrd for files in tasks] == [tmp_path / n / "all.rrd" for n in ("a", "b")]
    assert [files.video for files in tasks] == [tmp_path / n / "replay.mp4" for n in ("a", "b")]


def test_a_bag_becomes_slices_that_meet(tmp_path: Path) -> None:
    bag = drive_bag(tmp_path / "bag", range(10))
    each = drive_options(tmp_path, tmp_path)
    plan = planned(SetOptions((bag,), tmp_path / "out", each, 0.4), {})
    tasks = [task for task in plan if isinstance(task, Task)]
    assert [task.name for task in tasks] == ["bag/slice_0000", "bag/slice_0001", "bag/slice_0002"]
    assert {task.drive for task in tasks} == {"bag"}
    spans = [task.options.span for task in tasks]
    assert all(span is not None and span.topic == "/rgb/image_raw" for span in spans)
    ends = [(s.start_ns - START, s.end_ns - START) for s in spans if s is not None]
    first, last = 1_000_000, 904_000_000
    assert ends[0][0] == first
    assert ends[-1][1] == last + 1
    assert [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]
    assert tasks[0].options.out == tmp_path / "out" / "bag" / "slice_0000"


def test_a_bag_that_cannot_be_cut_is_refused_alone(tmp_path: Path) -> None:
    bag = drive_bag(tmp_path / "bag", range(3))
    each = drive_options(tmp_path, tmp_path)
    plan = planned(SetOptions((tmp_path / "none", bag), tmp_path / "out", each, 60.0), {})
    assert isinstance(plan[0], Refused)
    assert "none does not exist" in plan[0].why
    assert [type(entry) for entry in plan[1:]] == [Task]


def test_what_lies_around_a_slice_covers_the_pairing() -> None:
    assert around_s(SyncSettings(slop_s=0.1, window_ms=50.0)) == pytest.approx(2.15)
    held = SyncSettings(slop_s=0.0, window_ms=1.0, missing_x="hold_last", hold_limit_s=7.0)
    assert around_s(held) == pytest.approx(9.001)
