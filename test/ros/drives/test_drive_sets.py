# SPDX-License-Identifier: Apache-2.0
"""Sets of recordings: exact sums, slices, failures of one, interruptions and what goes on."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from segrgbx_core.errors import InputError, OutputError
from segrgbx_core.runs.folder import read_run
from segrgbx_core.runs.rows import FrameRow
from segrgbx_ros.drives.plan import STATES_FILE, SetOptions, Task
from segrgbx_ros.drives.report import write_set_report
from segrgbx_ros.drives.run import SetOutcome, replay_set
from segrgbx_ros.drives.states import read_states
from segrgbx_ros.drives.summary import SetSummary, read_set_summary
from segrgbx_ros.drives.task import TaskProgress, TaskResult, run_task
from segrgbx_ros.replay.options import Stopping
from segrgbx_ros.replay.run import replay

sys.path.insert(0, str(Path(__file__).parent))
from drive_bags import drive_bag, drive_options

CONDITIONS = {0: "day", 8: "night"}


class Here:
    """An engine in this process, one task after the other; names: of the tasks it was given."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @contextmanager
    def running(
        self, tasks: Sequence[Task], heard: Callable[[TaskProgress], None], stopping: Stopping
    ) -> Iterator[Iterator[TaskResult]]:
        self.names = [task.name for task in tasks]
        yield (run_task(t, heard, stopping) for t in tasks if stopping() is None)


def replayed(
    model: Path, out: Path, *bags: Path, slice_s: float | None = None, resume: bool = False
) -> SetOutcome:
    each = drive_options(model, out, resume=resume)
    return replay_set(SetOptions(bags, out, each, slice_s), Here())


def summed(outcome: SetOutcome) -> SetSummary:
    assert outcome.summary is not None
    return outcome.summary


def in_time(rows: Sequence[FrameRow]) -> list[FrameRow]:
    """The rows by their stamps, without numbers, names and times; drops are told early."""
    nothing = dict.fromkeys(("decode_ms", "encode_ms", "model_ms", "output_ms"), 0.0)
    plain = [replace(row, index=None, stem="", **nothing) for row in rows]
    return sorted(plain, key=lambda row: row.stamp_ns or 0)


def same_figures(out: Path, whole_out: Path, summary: SetSummary) -> None:
    """Whether the set's figures are those of one replay of everything."""
    whole = json.loads((whole_out / "summary.json").read_text())
    of_set = json.loads(summary.to_json())
    assert of_set["all"]["scores"] == whole["scores"]
    assert of_set["all"]["rgb_alone"] == whole["rgb_alone"]
    assert of_set["confusion"] == whole["confusion"]
    assert of_set["calibration"] == whole["reliability"]
    set_run, whole_run = read_run(out), read_run(whole_out)
    assert in_time(set_run.rows) == in_time(whole_run.rows)
    masks = [row.index for row in set_run.rows if row.index is not None]
    assert masks == list(range(len(masks)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A replay of 12 frames, of which frame 3 has no X, by day and from frame 8 on by night."""
    folder = tmp_path_factory.mktemp("whole")
    drive_bag(folder / "bag", range(12), CONDITIONS, without_x=[3])
    summary = replay(drive_options(model_folder, folder / "out", folder / "bag"))
    assert summary.scores is not None
    assert list(summary.scores) == ["all", "day", "night"]
    assert (summary.frames.segmented, summary.frames_scored) == (11, 11)
    return folder


def test_two_bags_are_scored_as_the_one_they_were_cut_from(
    tmp_path: Path, model_folder: Path, whole: Path
) -> None:
    a = drive_bag(tmp_path / "a", range(6), {0: "day"}, without_x=[3])
    b = drive_bag(tmp_path / "b", range(6, 12), {6: "day", 8: "night"})
    out = tmp_path / "out"
    summary = summed(replayed(model_folder, out, a, b))
    same_figures(out, whole / "out", summary)
    assert summary.complete
    assert [(d.name, d.state, d.parts) for d in summary.drives] == [
        ("a", "done", ("a",)),
        ("b", "done", ("b",)),
    ]
    assert summary.all.images == 12
    assert summary.all.dropped == {"rgb_without_x": 1}
    first, second = (d.figures for d in summary.drives)
    assert first is not None
    assert second is not None
    assert (first.segmented, second.segmented, first.scored) == (5, 6, 5)
    assert first.miou != summary.all.miou != second.miou
    rows = read_run(out).rows
    assert [row.stem for row in rows if row.index in (0, 5)] == ["a/000000", "b/000000"]
    assert json.loads(read_set_summary(out).to_json()) == json.loads(summary.to_json())


def test_slices_are_scored_as_the_whole(tmp_path: Path, model_folder: Path, whole: Path) -> None:
    out = tmp_path / "out"
    summary = summed(replayed(model_folder, out, whole / "bag", slice_s=0.35))
    same_figures(out, whole / "out", summary)
    [drive] = summary.drives
    assert (drive.state, len(drive.parts)) == ("done", 4)
    assert sorted(path.name for path in (out / "bag").iterdir()) == [
        f"slice_{i:04d}" for i in range(4)
    ]


def test_a_slice_without_a_pair_is_said_and_does_not_fail_the_bag(
    tmp_path: Path, model_folder: Path
) -> None:
    bag = drive_bag(tmp_path / "bag", range(9), without_x=range(3, 6))
    outcome = replayed(model_folder, tmp_path / "out", bag, slice_s=0.3)
    assert [task.state for task in outcome.states.tasks] == ["done", "empty", "done"]
    [drive] = summed(outcome).drives
    assert (drive.state, drive.complete) == ("done", True)
    assert drive.sentence == "1 slice without a pair; the images there are in no figure."


def test_a_bag_that_fails_leaves_the_others_be_and_is_tried_again(
    tmp_path: Path, model_folder: Path
) -> None:
    a, b, late = (tmp_path / name for name in ("a", "b", "late"))
    drive_bag(a, range(3))
    drive_bag(b, range(3, 6))
    out = tmp_path / "out"
    outcome = replayed(model_folder, out, a, late, b)
    summary = summed(outcome)
    assert [(d.name, d.state) for d in summary.drives] == [
        ("a", "done"),
        ("late", "failed"),
        ("b", "done"),
    ]
    assert "late does not exist" in summary.drives[1].sentence
    assert not summary.complete
    assert summary.all.segmented == 6
    page = write_set_report(out).read_text()
    assert "late does not exist" in page
    assert 'href="a/report.html"' in page

    drive_bag(late, range(6, 8))
    engine = Here()
    each = drive_options(model_folder, out, resume=True)
    outcome = replay_set(SetOptions((a, late, b), out, each), engine)
    assert engine.names == ["late"]
    assert summed(outcome).complete
    assert summed(outcome).all.segmented == 8


def test_bags_of_equal_names_have_folders_of_their_own(tmp_path: Path, model_folder: Path) -> None:
    for name in ("monday", "tuesday"):
        (tmp_path / name).mkdir()
        drive_bag(tmp_path / name / "bag", range(2))
    bags = [tmp_path / name / "bag" for name in ("monday", "tuesday")]
    outcome = replayed(model_folder, tmp_path / "out", *bags)
    assert [d.name for d in summed(outcome).drives] == ["monday_bag", "tuesday_bag"]
    assert (tmp_path / "out" / "tuesday_bag" / "masks" / "000001.png").is_file()


def test_an_interrupted_set_goes_on_at_the_bag(
    tmp_path: Path, model_folder: Path, whole: Path
) -> None:
    a = drive_bag(tmp_path / "a", range(6), {0: "day"}, without_x=[3])
    b = drive_bag(tmp_path / "b", range(6, 12), {6: "day", 8: "night"})
    out, masks = tmp_path / "out", tmp_path / "out" / "b" / "masks"

    def stopping() -> str | None:
        return "SIGTERM" if masks.is_dir() and len(list(masks.iterdir())) >= 2 else None

    options = SetOptions((a, b), out, drive_options(model_folder, out))
    outcome = replay_set(options, Here(), stopping=stopping)
    assert outcome.interrupted == (
        "Stopped by SIGTERM after 1 of 2 replays; the same command with --resume goes on."
    )
    assert [task.state for task in read_states(out).tasks] == ["done", "interrupted"]
    assert summed(outcome).all.segmented == 5
    engine = Here()
    again = replace(options, each=replace(options.each, resume=True))
    outcome = replay_set(again, engine)
    assert engine.names == ["b"]
    assert outcome.interrupted is None
    same_figures(out, whole / "out", summed(outcome))


def test_a_set_goes_on_only_as_it_was_begun(tmp_path: Path, model_folder: Path) -> None:
    a = drive_bag(tmp_path / "a", range(2))
    out = tmp_path / "out"
    with pytest.raises(InputError, match="holds no set of recordings"):
        replayed(model_folder, out, a, resume=True)
    replayed(model_folder, out, a)
    with pytest.raises(OutputError, match="already holds files"):
        replayed(model_folder, out, a)
    with pytest.raises(InputError, match=r"begun with slice None, which is 1.0 now"):
        replayed(model_folder, out, a, slice_s=1.0, resume=True)
    with pytest.raises(InputError, match=r"begun with .*a, which is not given"):
        replayed(model_folder, out, tmp_path / "other", resume=True)


def test_where_every_bag_fails_there_is_nothing_to_sum_up(
    tmp_path: Path, model_folder: Path
) -> None:
    out = tmp_path / "out"
    outcome = replayed(model_folder, out, tmp_path / "none", tmp_path / "nothing")
    assert outcome.summary is None
    assert [task.state for task in outcome.states.tasks] == ["failed", "failed"]
    assert sorted(path.name for path in out.iterdir()) == [STATES_FILE]
    with pytest.raises(InputError, match="none of its recordings is done"):
        read_set_summary(out)
