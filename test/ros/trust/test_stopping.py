# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM: what is done is kept and said, and a replay goes on to the same end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segrgbx_core import Segmenter
from segrgbx_core.errors import BagError, InputError
from segrgbx_core.report.layers import layer_files
from segrgbx_core.stopping import StoppedError
from segrgbx_ros import cli
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.messages.types import deserialized
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.layers import PageLayers
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.report import write_report
from segrgbx_ros.replay.resume import RecallingSegmenter, RecordedFrame
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture(scope="module")
def segmenter(small_model: Path) -> Segmenter:
    return Segmenter(small_model, "cpu", backend="eager")


@pytest.fixture
def run(small_drive: Path, segmenter: Segmenter) -> Callable[..., ReplaySummary]:
    def run(out: Path, stop_at: int | None = None, **more: Any) -> ReplaySummary:
        asked = 0

        def stopping() -> str | None:
            nonlocal asked
            asked += 1
            return None if stop_at is None or asked < stop_at else "SIGTERM"

        options = {"sync": SyncSettings(slop_s=0.2), **more}
        return replay(
            ReplayOptions(small_drive, "thermal", out, **options), None, segmenter, stopping
        )

    return run


def pages(out: Path) -> dict[int, str]:
    """The layers of each frame for the page."""
    return {index: path.read_text() for index, path in layer_files(out).items()}


def written(out: Path) -> list[tuple[str, int, object]]:
    """All messages, without the times that differ from run to run."""
    found = []
    with BagReader(out / "result") as bag:
        for m in bag.messages([topic.name for topic in bag.topics]):
            text = str(deserialized(m.data, m.msgtype))
            found.append((m.topic, m.log_time_ns, re.sub(r"(\w+_ms)=[\w.+-]+", r"\1", text)))
    return found


def pictures(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.png"))}


def facts(summary: ReplaySummary) -> dict[str, Any]:
    return {**json.loads(summary.to_json()), "stage_ms": None, "rgb_alone_ms": None}


@pytest.mark.parametrize("stops", [(12,), (1, 25), (12, 8, 8)])
def test_a_resumed_replay_ends_as_one_that_was_not_stopped(
    run: Callable[..., ReplaySummary], tmp_path: Path, stops: tuple[int, ...]
) -> None:
    whole = run(tmp_path / "whole")
    out, masks = tmp_path / "out", 0
    for stop in stops:
        try:
            part = run(out, stop, resume=(out / "resume.npz").exists())
        except StoppedError:
            assert not out.exists()
            continue
        assert masks <= part.frames.segmented < whole.frames.segmented
        masks = part.frames.segmented
        assert f"Stopped by SIGTERM after {masks} masks" in (part.interrupted or "")
        assert "--resume" in write_report(out).read_text()
        assert len(list((out / "overlays").iterdir())) == masks
        assert sum(topic == "/segrgbx/mask" for topic, _, _ in written(out)) == masks
    summary = run(out, resume=masks > 0)
    assert facts(summary) == facts(whole)
    assert written(out) == written(tmp_path / "whole")
    assert pictures(out) == pictures(tmp_path / "whole")
    left = sorted(p.name for p in out.iterdir())
    assert left == [
        "foxglove_layout.json", "frames.csv", "labels.json", "masks", "overlays", "page",
        "result", "scores.npz", "summary.json",
    ]  # fmt: skip
    assert pages(out) == pages(tmp_path / "whole")


def test_a_replay_by_log_times_resumes_too(
    run: Callable[..., ReplaySummary], tmp_path: Path
) -> None:
    whole = run(tmp_path / "whole", stamps="log")
    done = run(tmp_path / "out", 25, stamps="log").frames.segmented
    assert 0 < done < whole.frames.segmented
    assert facts(run(tmp_path / "out", resume=True, stamps="log")) == facts(whole)
    assert written(tmp_path / "out") == written(tmp_path / "whole")


def test_the_model_runs_only_for_what_is_left(
    run: Callable[..., ReplaySummary],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = run(tmp_path, 25).frames.segmented
    calls, really = [], Segmenter.__call__

    def counting(self: Segmenter, *args: Any, **named: Any) -> object:
        calls.append(len(args))
        return really(self, *args, **named)

    monkeypatch.setattr(Segmenter, "__call__", counting)
    whole = run(tmp_path, resume=True).frames.segmented
    # Each image is segmented with X, and once more from RGB alone.
    assert 0 < calls.count(3) == calls.count(1) == whole - done


def test_an_error_while_it_takes_masks_again_loses_none(
    run: Callable[..., ReplaySummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(tmp_path, 25).frames.segmented
    before = written(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(PageLayers, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(tmp_path, resume=True)
    assert written(tmp_path) == before
    assert run(tmp_path, resume=True).frames.segmented > done


def test_a_resumption_that_was_killed_loses_nothing(
    run: Callable[..., ReplaySummary], tmp_path: Path
) -> None:
    """What SIGKILL leaves: the earlier result aside, and a new one without its end."""
    run(tmp_path, 25)
    shutil.move(tmp_path / "result", tmp_path / ".result-before")
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "result.mcap").write_bytes(b"\x89MCAP0\r\n")
    whole = run(tmp_path, resume=True)
    assert whole.interrupted is None
    assert not (tmp_path / ".result-before").exists()


def test_memory_that_runs_out_keeps_the_masks_so_far(
    run: Callable[..., ReplaySummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, really = [], Segmenter.__call__

    def short(self: Segmenter, *args: Any, **named: Any) -> object:
        calls.append(len(args))
        if calls.count(3) > 3:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return really(self, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Segmenter, "__call__", short)
        part = run(tmp_path)
    assert part.frames.segmented == 3
    assert "Stopped by a lack of memory after 3 masks" in (part.interrupted or "")
    assert not part.complete
    whole = run(tmp_path, resume=True)
    assert whole.complete
    assert whole.frames.segmented > 3


def test_other_options_are_refused_by_name(
    run: Callable[..., ReplaySummary], tmp_path: Path
) -> None:
    run(tmp_path, 25)
    before = written(tmp_path)
    with pytest.raises(InputError, match=r"with pairing .*slop_s=0\.2.*slop_s=0\.1.*--force"):
        run(tmp_path, resume=True, sync=SyncSettings(slop_s=0.1))
    assert written(tmp_path) == before


def test_nothing_to_resume_and_a_damaged_state_are_said(
    run: Callable[..., ReplaySummary], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="nothing to resume; leave out --resume"):
        run(tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()
    run(tmp_path, 25)
    state = tmp_path / "resume.npz"
    for data in (b"no archive", state.read_bytes()[:200], b"\x80\x04K\x01."):
        state.write_bytes(data)
        with pytest.raises(InputError, match=r"resume\.npz is damaged .*--force"):
            run(tmp_path, resume=True)


def test_a_result_that_is_not_the_state_s_is_refused_and_stays(
    run: Callable[..., ReplaySummary], small_drive: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    run(tmp_path / "out", 25)
    replay(ReplayOptions(small_drive, "none", tmp_path / "alone"), None, segmenter)
    shutil.copytree(tmp_path / "alone" / "result", tmp_path / "out" / "result", dirs_exist_ok=True)
    before = written(tmp_path / "out")
    with pytest.raises(BagError, match="are not of these frames, so the replay cannot go on"):
        run(tmp_path / "out", resume=True)
    assert written(tmp_path / "out") == before


def test_a_frame_that_was_not_finished_is_made_again(
    run: Callable[..., ReplaySummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its messages are there, but not what the summary needs."""
    frames_shown, really = [], PageLayers.write

    def short(*given: Any) -> Any:
        frames_shown.append(1)
        if len(frames_shown) > 3:
            raise MemoryError
        return really(*given)

    with monkeypatch.context() as patch:
        patch.setattr(PageLayers, "write", short)
        assert run(tmp_path / "out").frames.segmented == 3
    run(tmp_path / "whole")
    run(tmp_path / "out", resume=True)
    assert written(tmp_path / "out") == written(tmp_path / "whole")


def test_masks_are_taken_by_stamp_and_size(segmenter: Segmenter) -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    answer = segmenter(rgb)
    frames = [RecordedFrame(5, answer, ()), RecordedFrame(7, answer, ())]
    recall = RecallingSegmenter(segmenter, iter(frames))
    recall.stamp_ns = 5
    assert recall(rgb) is answer
    assert (recall.more, recall.contradicted) == (True, False)
    recall.stamp_ns = 6
    assert recall(rgb) is not answer
    assert recall.contradicted
    recall = RecallingSegmenter(segmenter, iter(frames))
    recall.stamp_ns = 5
    recall(np.zeros((24, 32, 3), np.uint8))
    assert recall.contradicted


SLOWLY = """
import sys, time
from segrgbx_core.segmenter import Segmenter
from segrgbx_ros.cli import main
really = Segmenter.__call__
def slow(*args, **named):
    time.sleep(0.5)
    return really(*args, **named)
Segmenter.__call__ = slow
sys.exit(main(sys.argv[1:]))
"""


def started(argv: list[str], ready: Callable[[], bool]) -> subprocess.Popen[str]:
    """A command whose model takes half a second, so that the signal comes before the end."""
    root = Path(cli.__file__).parents[1]
    child = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *argv], cwd=root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    until = time.monotonic() + 240
    while not ready() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    return child


@SIGNALS
def test_a_signal_ends_a_replay_with_its_page(
    small_drive: Path, small_model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    argv = ["replay", str(small_drive), "--modality", "thermal", "--slop", "0.2", "--model",
            str(small_model), "--backend", "eager", "--out", str(out)]  # fmt: skip
    child = started(argv, lambda: (out / "overlays" / "000001.png").exists())
    child.send_signal(number)
    said, told = child.communicate(timeout=240)
    assert child.returncode == 130, told
    assert re.search(rf"segrgbx: Stopped by {number.name} after \d+ masks, .*--resume", told)
    assert "Traceback" not in told
    assert "look at" in said
    assert "Stopped by" in (out / "report.html").read_text()
    summary = json.loads((out / "summary.json").read_text())
    assert 2 <= summary["frames"]["segmented"] == len(list((out / "overlays").iterdir()))
    with BagReader(out / "result") as bag:
        assert bag.loss is None
    assert cli.main([*argv, "--resume"]) == 0
    assert cli.main([*argv, "--resume"]) == 0
    assert json.loads((out / "summary.json").read_text())["interrupted"] is None
