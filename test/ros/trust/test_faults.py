# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out and disks that refuse: one sentence, and nothing lost that was computed."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.errors import OutputError, is_out_of_memory, shortage_in_words
from segrgbx_core.files import disk
from segrgbx_core.files.disk import DiskFullError, Reserve, make_room, need_room
from segrgbx_core.stopping import StopRequest
from segrgbx_ros import cli
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import IMAGE, header

Captured = pytest.CaptureFixture[str]
SCENES = ["--rate", "6", "--size", "64x48", "--conditions", "day"]


def run_limited(argv: list[str], kind: int, most: int) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own that may not take more."""
    root = Path(cli.__file__).parents[1]
    code = (
        "import resource, sys\n"
        f"resource.setrlimit({kind}, ({most}, {most}))\n"
        "from segrgbx_ros.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *argv], cwd=root, text=True, capture_output=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=240,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["replay", "train"])
def test_too_little_memory_to_load_packages_is_one_sentence(
    command: str, small_drive: Path, repository: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    argv = {
        "replay": ["replay", str(small_drive), "--modality", "thermal", "--out", out],
        "train": ["train", str(repository / "config" / "train" / "thermal.yaml"), "--out", out],
    }[command]
    done = run_limited(argv, resource.RLIMIT_AS, 1_500_000_000)
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(
        r"segrgbx: Packages could not be loaded \(.*\); the process needs more memory, of which "
        r"it may take 1\.5 GB here: free some, or raise `ulimit -v`\.\n",
        done.stderr,
    ), done.stderr
    assert not (tmp_path / "out").exists()


Fail = type("Fail", (Exception,), {})  # as onnxruntime calls its own


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError("Unable to allocate 192. MiB"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for a convolution"), False),
        (Fail("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested"), True),
        (Fail("[ONNXRuntimeError] : 1 : FAIL : Non-zero status code"), False),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (OSError(2, "No such file"), False),
    ],
)
def test_what_shows_that_memory_ran_out(error: Exception, short: bool) -> None:
    assert is_out_of_memory(error) == short
    assert (shortage_in_words(error) is not None) == short


def test_scores_are_printed_before_a_full_disk_refuses_their_files(
    small_dataset: Path,
    small_model: Path,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    argv = ["evaluate", str(small_dataset), "--model", str(small_model), "--out",
            str(tmp_path / "out")]  # fmt: skip
    assert cli.main(argv) == 1
    told = capsys.readouterr()
    assert "mIoU" in told.out
    assert "is full" in told.err
    assert cli.main([*argv, "--json", "--force"]) == 1
    assert "all" in json.loads(capsys.readouterr().out)


def test_a_checkpoint_without_room_is_said_before_the_first_step(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(DiskFullError, match=r"no room for a checkpoint of 2 MB; free some"):
            need_room(tmp_path, 2_000_000, "a checkpoint")
        need_room(tmp_path, 900_000, "a checkpoint")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stopped_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every StopRequest has been asked by SIGTERM."""
    entered = StopRequest.__enter__

    def asked(self: StopRequest) -> StopRequest:
        entered(self)
        os.kill(os.getpid(), signal.SIGTERM)
        return self

    monkeypatch.setattr(StopRequest, "__enter__", asked)


@pytest.mark.usefixtures("stopped_after")
def test_stopped_scenes_are_a_whole_recording_of_what_was_made(
    tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "bag"
    assert cli.main(["scenes", str(out), "--seconds", "2", *SCENES]) == 130
    told = capsys.readouterr().err
    assert re.fullmatch(
        rf"segrgbx: Stopped by SIGTERM after 1 of \d+ captures; {out} holds those\.\n", told
    )
    assert sorted(p.name for p in out.iterdir()) == ["bag.mcap", "metadata.yaml"]
    with BagReader(out) as bag:
        assert sum(topic.count for topic in bag.topics) > 0
        assert bag.loss is None


@pytest.mark.usefixtures("stopped_after")
@pytest.mark.parametrize("more", [[], ["--streets", "3"]])
def test_stopped_scenes_are_a_dataset_of_what_was_made(
    tmp_path: Path, capsys: Captured, more: list[str]
) -> None:
    out = tmp_path / "set"
    argv = ["scenes", str(out), "--seconds", "2", *SCENES, "--format", "dataset", *more]
    assert cli.main(argv) == 130
    assert "Stopped by SIGTERM after 1 of" in capsys.readouterr().err
    assert cli.main(["data", "check", str(out)]) == 0


@pytest.mark.usefixtures("stopped_after")
def test_a_stopped_evaluation_has_its_page_and_the_scores_so_far(
    small_dataset: Path, small_model: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    argv = ["evaluate", str(small_dataset), "--model", str(small_model), "--out", str(out)]
    assert cli.main(argv) == 130
    told = capsys.readouterr()
    assert "RGB with thermal, 1 samples" in told.out
    words = "Stopped by SIGTERM after 1 of 3 samples; the scores are of those."
    assert told.err == f"segrgbx: {words}\n"
    assert words in (out / "report.html").read_text()
    assert json.loads((out / "summary.json").read_text())["interrupted"] == words


@pytest.mark.usefixtures("stopped_after")
@pytest.mark.parametrize("command", ["segment", "encode"])
def test_stopped_files_say_where_those_that_were_done_are(
    command: str, small_dataset: Path, small_model: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    readings = [str(p) for p in sorted((small_dataset / "x").iterdir())]
    argv = {
        "segment": ["segment", "--rgb", str(small_dataset / "rgb"), "--model", str(small_model)],
        "encode": ["encode", *readings, "--modality", "thermal"],
    }[command]
    assert cli.main([*argv, "--out", str(out)]) == 130
    told = capsys.readouterr()
    assert f"Stopped by SIGTERM after 1 of {len(readings)} " in told.err
    assert "000000" in told.out
    written = {p.name[:6] for p in out.iterdir()}
    page = {"report", "summar", "frames", "labels", "masks"} if command == "segment" else set()
    assert written == {"000000"} | page


def refusing(monkeypatch: pytest.MonkeyPatch, after: int, until_freed: bool) -> list[Path]:
    """A disk without room from the given file on, until a reserve is given back; its files."""
    tried: list[Path] = []
    really, free, freed = disk._write, Reserve.free, []

    def write(path: Path, data: bytes) -> None:
        tried.append(path)
        if len(tried) > after and not (until_freed and freed):
            raise DiskFullError("The disk is full.")
        really(path, data)

    def counted(self: Reserve) -> bool:
        given = free(self)
        freed.extend([1] * given)
        return given

    monkeypatch.setattr(disk, "_write", write)
    monkeypatch.setattr(Reserve, "free", counted)
    return tried


def test_a_full_disk_ends_a_replay_with_its_page_and_it_goes_on(
    small_drive: Path,
    small_model: Path,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    argv = ["replay", str(small_drive), "--modality", "thermal", "--slop", "0.2", "--model",
            str(small_model), "--backend", "eager", "--out"]  # fmt: skip
    with monkeypatch.context() as patch:
        refusing(patch, 4, until_freed=True)
        assert cli.main([*argv, str(out)]) == 1
    told = capsys.readouterr()
    assert re.search(r"Stopped by a full disk after \d+ masks, .*--resume goes on", told.err)
    assert "segmented" in told.out
    part = json.loads((out / "summary.json").read_text())["frames"]["segmented"]
    assert "Stopped by a full disk" in (out / "report.html").read_text()
    assert len(list((out / "overlays").iterdir())) == part
    with BagReader(out / "result") as bag:
        assert bag.loss is None
        assert {t.count for t in bag.topics if t.name == "/segrgbx/mask"} == {part}
    assert not list(out.glob(".*"))
    assert cli.main([*argv, str(out), "--resume"]) == 0
    assert cli.main([*argv, str(tmp_path / "whole")]) == 0
    names = [sorted(str(p.relative_to(d)) for d in [f] for p in d.rglob("*")) for f in
             (out, tmp_path / "whole")]  # fmt: skip
    assert names[0] == names[1]


def test_a_full_disk_leaves_an_evaluations_page_without_pictures(
    small_dataset: Path,
    small_model: Path,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    refusing(monkeypatch, 1, until_freed=True)
    argv = ["evaluate", str(small_dataset), "--model", str(small_model), "--out", str(out)]
    assert cli.main(argv) == 1
    told = capsys.readouterr()
    assert "mIoU" in told.out
    assert "The disk is full." in told.err
    assert {"report.html", "summary.json", "frames.csv"} <= {p.name for p in out.iterdir()}
    assert "mean IoU" in (out / "report.html").read_text()


@pytest.mark.parametrize("most", [40_000, 300_000])
def test_a_reserve_takes_what_fits_and_leaves_nothing(tmp_path: Path, most: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        reserve = Reserve(tmp_path)
        reserve.take(1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    assert not make_room()
    with reserve.offered():
        assert make_room() == (most > 100_000)
        assert reserve.spent == (most > 100_000)
        assert not make_room()


def test_a_chunk_that_the_disk_refuses_is_not_torn(tmp_path: Path) -> None:
    """All messages before the last whole chunk are read, and the next ones if there is room."""
    noise = np.random.default_rng(1).integers(0, 256, (400, 400), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = 0

    def fill(bag: BagWriter) -> None:
        nonlocal kept
        while kept < 20:
            bag.write("/x", kept + 1, image_message(noise, "mono8", header(kept + 1, "x")))
            kept += 1

    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/x", IMAGE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))
        try:
            with pytest.raises(OutputError, match="larger than a file may be here"):
                fill(bag)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        bag.write("/x", kept + 2, image_message(noise, "mono8", header(kept + 2, "x")))
    with BagReader(tmp_path / "bag") as read:
        assert read.loss is None
        times = [m.log_time_ns for m in read.messages(["/x"])]
    assert times == list(range(1, kept + 3))
