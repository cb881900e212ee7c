# SPDX-License-Identifier: Apache-2.0
"""Faults by name: what happens, how long until masks flow again, and what was lost."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.soak_feed import PLANS, Feed, Plan, Step, recorded_pairs
from segrgbx_core.weights.card import WEIGHTS_FILE
from segrgbx_core.weights.store import model_folder
from segrgbx_ros.bags.reader import BagReader

BEFORE, DURING, AFTER = 15, 60, 30


@dataclass(frozen=True)
class Fault:
    """silent_ms: from the fault's end to the next mask, or mask with an X where X was at fault, in
    time of the stream; None where masks did not come back, or there is no stream. sent, masks:
    RGB images and masks from the fault's begin to the end. lost: the images without a mask, by
    reason."""

    name: str
    what: str
    happened: str
    silent_ms: float | None
    sent: int
    masks: int
    lost: dict[str, int]


def in_stream(name: str, model: str, rate_hz: float, missing_x: str = "drop") -> Fault:
    """A fault of the cameras: some periods as they should be, the fault, and some again."""
    what, plan = PLANS[name]
    feed = Feed(model, recorded_pairs(rate_hz), rate_hz, missing_x)
    for number in range(BEFORE):
        feed.send(number)
    sent, masks, lost = feed.sent, feed.masks, feed.lost()
    during, again = _disturbed(feed, plan)
    gone = {r: n - lost.get(r, 0) for r, n in feed.lost().items() if n > lost.get(r, 0)}
    back = None if again is None else round(again * 1e3 / rate_hz, 1)
    happened = f"{during} masks in {DURING} periods of the fault"
    return Fault(name, what, happened, back, feed.sent - sent, feed.masks - masks, gone)


def _disturbed(feed: Feed, plan: Plan) -> tuple[int, int | None]:
    """Masks during the fault, and the periods after it until a mask that used X."""
    before = feed.masks
    for k in range(DURING):
        feed.send(BEFORE + k, plan(k))
    during, again = feed.masks - before, None
    for k in range(AFTER):
        with_x = feed.with_x
        feed.send(BEFORE + DURING + k, Step())
        if again is None and feed.with_x > with_x:
            again = k
    return during, again


def _segrgbx(*argv: str, limit: tuple[int, int] | None = None) -> subprocess.Popen[str]:
    code = "import sys; from segrgbx_ros.cli import main; sys.exit(main(sys.argv[1:]))"

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(limit[0], (limit[1], limit[1]))

    return subprocess.Popen(
        [sys.executable, "-c", code, *argv], text=True, preexec_fn=limited,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


@contextmanager
def _drive() -> Iterator[tuple[Path, Path]]:
    """A folder, and in it the bag of a drive of four seconds."""
    with TemporaryDirectory() as name:
        bag = Path(name) / "bag"
        _segrgbx("scenes", str(bag), "--seconds", "4", "--size", "320x240").wait()
        yield Path(name), bag


def _replay(bag: Path, out: Path, model: str) -> list[str]:
    return ["replay", str(bag), "--modality", "thermal", "--slop", "0.05", "--model", model,
            "--out", str(out)]  # fmt: skip


def _outcome(name: str, what: str, out: Path, bag: Path, status: int, told: str) -> Fault:
    sentence = told.strip().splitlines()[-1] if told.strip() else "nothing was said"
    file, frames = out / "summary.json", {"rgb_in": 0, "segmented": 0, "dropped": {}}
    if file.is_file():
        frames = json.loads(file.read_text())["frames"]
    masks = len(list((out / "overlays").glob("*.png"))) or frames["segmented"]
    with BagReader(bag) as reader:
        rgb = reader.topic("/rgb/image_raw")
    sent = 0 if rgb is None else rgb.count
    return Fault(name, what, f"status {status}: {sentence}", None, sent, masks, frames["dropped"])


def _limited(name: str, what: str, model: str, limit: tuple[int, int]) -> Fault:
    with _drive() as (folder, bag):
        child = _segrgbx(*_replay(bag, folder / "out", model), limit=limit)
        _, told = child.communicate()
        return _outcome(name, what, folder / "out", bag, child.returncode, told)


def disk_full(model: str) -> Fault:
    """A replay whose files may not grow beyond 3 MB."""
    what = "no file of a replay may be larger than 3 MB"
    return _limited("disk full", what, model, (resource.RLIMIT_FSIZE, 3_000_000))


def killed_recorder(model: str) -> Fault:
    """A bag whose writer was killed, replayed."""
    with _drive() as (folder, bag):
        data = next(bag.glob("*.mcap"))
        whole = data.read_bytes()
        with BagReader(bag) as reader:
            rgb = reader.topic("/rgb/image_raw")
        data.write_bytes(whole[: len(whole) * 6 // 10])
        (bag / "metadata.yaml").unlink()
        child = _segrgbx(*_replay(data, folder / "out", model))
        _, told = child.communicate()
        what = (
            f"SIGKILL leaves 60 % of the file's bytes, no end, no metadata; it had {rgb.count} RGB"
        )
        return _outcome("killed recorder", what, folder / "out", data, child.returncode, told)


def out_of_memory(model: str) -> Fault:
    """A replay with less memory than its packages need."""
    what = "a replay that may take 1.5 GB of addresses"
    return _limited("out of memory", what, model, (resource.RLIMIT_AS, 1_500_000_000))


def stopped(model: str) -> Fault:
    """A replay that SIGTERM stops, resumed."""
    with _drive() as (folder, bag):
        out = folder / "out"
        child = _segrgbx(*_replay(bag, out, model))
        while not (out / "overlays" / "000004.png").exists() and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        _, told = child.communicate()
        kept = len(list((out / "overlays").glob("*.png")))
        again = _segrgbx(*_replay(bag, out, model), "--resume")
        again.communicate()
        what = f"SIGTERM after {kept} masks (status {child.returncode}), then --resume"
        return _outcome("stopped", what, out, bag, again.returncode, told)


def model_replaced(model: str, rate_hz: float) -> Fault:
    """The weights' file of a running pipeline overwritten."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "model"
        shutil.copytree(model_folder(model), folder)
        feed = Feed(str(folder), recorded_pairs(rate_hz), rate_hz)
        for number in range(BEFORE):
            feed.send(number)
        sent, masks = feed.sent, feed.masks
        (folder / WEIGHTS_FILE).write_bytes(b"\0" * 1000)
        back = next((k for k in range(AFTER) if feed.send(BEFORE + k)), None)
        return Fault(
            "model replaced", "the file of the weights is overwritten",
            "the run keeps the weights that it has loaded",
            None if back is None else round(back * 1e3 / rate_hz, 1),
            feed.sent - sent, feed.masks - masks, feed.lost(),
        )  # fmt: skip


def faults(
    model: str, rate_hz: float, node: bool, only: Sequence[str] | None = None
) -> Iterator[Fault]:
    """All faults, or those named, in turn; of the live node only those of the cameras."""
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if node:
        from benchmarks.soak_node import in_live_stream

        wanted = {name: lambda n=name: in_live_stream(n, model, rate_hz) for name in PLANS}
    else:
        wanted = {name: lambda n=name: in_stream(n, model, rate_hz) for name in PLANS}
        alone: Callable[[], Fault] = lambda: in_stream(  # noqa: E731
            "X dies and returns", model, rate_hz, "rgb_only"
        )
        wanted |= {
            "X dies and returns, missing_x rgb_only": alone,
            "disk full": lambda: disk_full(model),
            "killed recorder": lambda: killed_recorder(model),
            "model replaced": lambda: model_replaced(model, rate_hz),
            "out of memory": lambda: out_of_memory(model),
            "stopped": lambda: stopped(model),
        }
    unknown = set(only or ()) - set(wanted)
    if unknown:
        raise SystemExit(f"Unknown: {', '.join(unknown)}; expected some of {', '.join(wanted)}.")
    yield from (run() for name, run in wanted.items() if not only or name in only)


def show_faults(found: Iterable[Fault]) -> list[Fault]:
    """Prints a Markdown table, each row as it comes; returns the rows."""
    rows = []
    print("| fault | what | what happened | masks again after | RGB sent | masks | lost |")
    print("|---|---|---|---|---|---|---|")
    for row in found:
        back = "-" if row.silent_ms is None else f"{row.silent_ms:g} ms"
        lost = ", ".join(f"{reason} {n}" for reason, n in row.lost.items()) or "none"
        cells = (row.name, row.what, row.happened, back, str(row.sent), str(row.masks), lost)
        print(f"| {' | '.join(cells)} |", flush=True)
        rows.append(row)
    return rows
