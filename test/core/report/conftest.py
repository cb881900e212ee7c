# SPDX-License-Identifier: Apache-2.0
"""A run's folder as a replay leaves it, of drawn frames, and the headless browser."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from segrgbx_core.labels.images import LabelImage
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.readings import RgbImage
from segrgbx_core.report.layers import PAGE_BYTES, LayerWriter
from segrgbx_core.report.page import Figure, Row
from segrgbx_core.report.run_page import write_run_page
from segrgbx_core.report.run_view import RunScores, RunView, Table
from segrgbx_core.runs.folder import RUN_FORMAT, RunFacts, read_run
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.scoring import ScoreKeeper
from segrgbx_core.runs.writer import RunWriter
from segrgbx_core.segmentation import Segmentation

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CONDITIONS = ("day", "night", "fog")
FACTS = RunFacts(RUN_FORMAT, "replay", "drive_7", "demo", "thermal", "street", None, {})


@dataclass(frozen=True)
class DrawnRun:
    """A run's folder, as `read_run` reads it, with layers, and the view of its page."""

    folder: Path
    view: RunView

    def page(self, most_bytes: int = PAGE_BYTES) -> Path:
        """Writes the page."""
        run = read_run(self.folder)
        return write_run_page(self.folder, self.view, run.label_set, run.rows, most_bytes)


class RunDrawer:
    """Frames of a car that comes nearer: 10 Hz, every seventh dropped, a gap, three conditions."""

    def __init__(self, frames: int, size: tuple[int, int], scored: bool) -> None:
        self.frames, self.size, self.scored = frames, size, scored
        self.label_set = load_label_set("street")
        self.rng = np.random.default_rng(7)
        self.keeper = ScoreKeeper(self.label_set, alone=True)

    def condition(self, at: int) -> str:
        return CONDITIONS[min(2, 3 * at // self.frames)]

    def stamp(self, at: int) -> int:
        return 1_700_000_000_000_000_000 + at * 100_000_000 + (at > self.frames // 2) * 900_000_000

    def truth(self, at: int) -> LabelImage:
        width, height = self.size
        labels = np.zeros((height, width), np.uint8)
        labels[: height // 3] = self.label_set.id_of("sky")
        labels[height // 3 : height // 2] = self.label_set.id_of("building")
        reach = max(2, (at * 7) % (width // 2))
        low, high = height // 2, height // 2 + height // 6
        labels[low:high, reach : reach + width // 5] = self.label_set.id_of("car")
        labels[-max(1, height // 20) :] = 255
        return labels

    def wrong(self, truth: LabelImage, rate: float) -> LabelImage:
        answer = np.roll(truth, max(1, round(rate * truth.shape[1] / 4)), axis=1)
        answer[answer == 255] = 0
        rows = max(1, round(rate * truth.shape[0] / 3))
        answer[truth.shape[0] // 2 : truth.shape[0] // 2 + rows] = self.label_set.id_of("building")
        return np.ascontiguousarray(answer)

    def rgb(self, truth: LabelImage) -> RgbImage:
        grain = self.rng.integers(-12, 13, (*truth.shape, 3))
        colours = self.label_set.palette()[truth].astype(np.int64)
        return np.clip(colours // 2 + 60 + grain, 0, 255).astype(np.uint8)

    def draw(self, folder: Path) -> DrawnRun:
        layers = LayerWriter(folder, self.frames)
        with RunWriter(folder, self.label_set, alone=True) as run:
            index = 0
            for at in range(self.frames):
                row = FrameRow(None, "", self.stamp(at), "rgb_without_x", self.condition(at))
                if at % 7 != 6:
                    row = self.frame(layers, run, row, at, index)
                    index += 1
                run.write_row(row)
            if self.scored:
                run.write_counts(self.keeper.counts())
        facts = replace(FACTS, scored_by="/ground_truth/mask" if self.scored else None)
        (folder / "summary.json").write_text(json.dumps({"run": asdict(facts)}))
        return DrawnRun(folder, self.view(index))

    def frame(
        self, layers: LayerWriter, run: RunWriter, row: FrameRow, at: int, index: int
    ) -> FrameRow:
        hard = (0.08, 0.3, 0.2)[CONDITIONS.index(row.condition)] + 0.1 * abs(np.sin(at / 5))
        truth = self.truth(at)
        mask = self.wrong(truth, hard)
        noise = self.rng.normal(0, 0.05, truth.shape)
        sure = np.clip(0.95 - 0.5 * (mask != truth) + noise, 0, 1).astype(np.float32)
        answer = Segmentation(mask, sure, self.label_set, "thermal", {}, 0.9)
        levels = answer.confidence_image()
        x = np.repeat(levels[..., None], 3, axis=2)
        layers.write(index, self.rgb(truth), x, mask, truth if self.scored else None, levels)
        run.write_mask(f"{index:06d}", mask)
        counts = np.bincount(mask.ravel(), minlength=256) / mask.size
        row = replace(
            row, index=index, stem=f"{index:06d}", status="segmented",
            confidence=float(sure.mean()), x_used=True, x_valid=0.9, skew_ms=(at % 9) * 3.1,
            decode_ms=2.0, encode_ms=1.5, model_ms=30.0 + at % 5, output_ms=4.0,
            shares={**dict(zip(self.label_set.names, counts.tolist(), strict=False)),
                    "unlabelled": 0.0},
        )  # fmt: skip
        return self.score(row, answer, truth, hard) if self.scored else row

    def score(
        self, row: FrameRow, answer: Segmentation, truth: LabelImage, hard: float
    ) -> FrameRow:
        alone = self.keeper.counts_of(self.wrong(truth, 1.9 * hard), truth)
        found = self.keeper.add(row.index or 0, row.condition, answer, truth, alone)
        assert found.alone is not None
        return replace(
            row,
            miou=found.with_x.miou, pixel_accuracy=found.with_x.pixel_accuracy,
            rgb_alone_miou=found.alone.miou,
            rgb_alone_pixel_accuracy=found.alone.pixel_accuracy,
            ious=found.with_x.per_class_iou, rgb_alone_ious=found.alone.per_class_iou,
        )  # fmt: skip

    def scores(self) -> RunScores | None:
        if not self.scored:
            return None
        return RunScores(
            self.keeper.groups(), self.keeper.groups(alone=True), self.keeper.confusion(),
            self.keeper.confusion(alone=True), self.keeper.reliability(),
        )  # fmt: skip

    def view(self, segmented: int) -> RunView:
        return RunView(
            kicker="SegRGB-X replay", title="drive_7", x_name="thermal", scores=self.scores(),
            subtitle="12.0 s of RGB with thermal, segmented by model demo", warnings=(),
            notices=(f"{self.frames - segmented} RGB images had no X reading near enough.",),
            figures=(Figure("Frames segmented", str(segmented), f"of {self.frames}"),
                     Figure("Time a frame", "38.2", "ms", "medians of all stages, added")),
            tables=(Table("Milliseconds a frame", (Row("model", ("31.2", "34.9")),),
                          ("stage", "median", "95 % below")),
                    Table("Model", (Row("Name", ("demo",)), Row("Licence", ("Apache-2.0",)))),
                    Table("Run on", (Row("torch", ("2.9.1",)),))),
            unscored="" if self.scored else "The recording has no ground truth.",
            limits="Trained on synthetic scenes alone; on real images it is confidently wrong.",
        )  # fmt: skip


Drawing = Callable[..., DrawnRun]


@pytest.fixture
def draw_run(tmp_path: Path) -> Drawing:
    """Draws a run: frames, size as (width, height), scored."""

    def draw(frames: int = 42, size: tuple[int, int] = (96, 72), scored: bool = True) -> DrawnRun:
        return RunDrawer(frames, size, scored).draw(tmp_path)

    return draw


def chromium() -> str | None:
    """The browser's program: $SEGRGBX_CHROMIUM, or one on the path."""
    names: Sequence[str | None] = (
        os.environ.get("SEGRGBX_CHROMIUM"), "chromium", "chromium-browser", "google-chrome",
    )  # fmt: skip
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A headless Chromium; skips where none is installed."""
    program = chromium()
    if program is None:
        pytest.skip(
            "no chromium, chromium-browser or google-chrome here; install one, or name it in "
            "SEGRGBX_CHROMIUM"
        )
    api = pytest.importorskip("playwright.sync_api", reason="the extra 'test' brings playwright")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()
