# SPDX-License-Identifier: Apache-2.0
"""The page of a long run: its size, and the time it takes to write and to open.

    python -m benchmarks.page --images DIR [--frames 1000] [--chromium PROGRAM]

DIR has 640x480 images, with or without X as the fourth channel. They are repeated, with masks made
of their brightness, whose PNG is as long as a model's.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.labels.label_set import LabelSet, load_label_set
from segrgbx_core.report.layers import LayerWriter
from segrgbx_core.report.run_page import write_run_page
from segrgbx_core.report.run_view import RunView
from segrgbx_core.runs.rows import FrameRow

Picture = npt.NDArray[np.uint8]
DIFFERENT = 120


def frames(folder: Path) -> list[tuple[Picture, Picture, Picture]]:
    """RGB, X and mask of each image, at most DIFFERENT."""
    found = []
    for path in sorted(folder.glob("*.png"))[:DIFFERENT]:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        rgb = np.ascontiguousarray(image[..., 2::-1])
        x = np.repeat(image[..., -1:], 3, axis=2)
        grey = cv2.medianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 21)
        found.append((rgb, x, np.asarray(grey // 24, np.uint8)))
    return found


def row(index: int, labels: LabelSet) -> FrameRow:
    """A row with every column."""
    score = 0.5 + 0.3 * float(np.sin(index / 40))
    every = dict.fromkeys(labels.names, score)
    return FrameRow(
        index, f"{index:06d}", 10**18 + index * 10**8, condition=f"part {index // 200}",
        miou=score, rgb_alone_miou=score - 0.05, pixel_accuracy=0.9, confidence=0.8, x_used=True,
        rgb_alone_pixel_accuracy=0.88, x_valid=0.98, skew_ms=4.0, decode_ms=2.0, encode_ms=1.0,
        model_ms=30.0, output_ms=4.0, shares=dict.fromkeys(labels.names, 1 / len(labels)),
        ious=every, rgb_alone_ious=every,
    )  # fmt: skip


def opened(page: Path, program: str) -> Iterator[float]:
    """Seconds until the first frame is drawn, five times."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(5):
            tab, start = browser.new_page(), time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector("body[data-ready][data-drawn]")
            yield time.perf_counter() - start
            tab.close()
        browser.close()


def measure(folder: Path, count: int, out: Path) -> Path:
    """Writes the layers and the page, and prints what they took."""
    pictures, labels = frames(folder), load_label_set("street")
    writer, start = LayerWriter(out, count), time.process_time()
    for k in range(count):
        rgb, x, mask = pictures[k % len(pictures)]
        writer.write(k, rgb, x, mask, mask[:, ::-1], mask * 20)
    print(f"layers    {(time.process_time() - start) / count * 1e3:.1f} ms of CPU a frame")
    rows = [row(k, labels) for k in range(count)]
    view = RunView("benchmark", folder.name, "", (), (), (), (), "X")
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    page = write_run_page(out, view, labels, rows)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    taken = time.process_time() - start
    print(f"page      {taken:.2f} s of CPU, {grown:.0f} MB more memory at its peak")
    files = [page, *(out / "report_files").glob("*")]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"size      {size:.1f} MB in {len(files)} files")
    return page


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="The page of a long run: size and times.")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--chromium", default="", metavar="PROGRAM")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = measure(told.images, told.frames, Path(folder))
        if told.chromium:
            seconds = sorted(opened(page, told.chromium))
            print(f"opened in {seconds[2]:.2f} s (median of 5; {seconds[0]:.2f}-{seconds[4]:.2f})")


if __name__ == "__main__":
    main()
