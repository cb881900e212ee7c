# SPDX-License-Identifier: Apache-2.0
"""A run's page as text: what it leads with, what it embeds, and hostile names."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from segrgbx_core.evaluation.summary import GroupScores
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.report.run_page import page_files, write_run_page
from segrgbx_core.report.run_view import RunScores, gains, signed
from segrgbx_core.runs.folder import read_run

FORGED = "</script><script>alert(1)</script>\x1b[2J\n\u202e<b>:car:"


class Page(HTMLParser):
    """Tags left open, text outside of scripts, scripts by id, and what the page would load."""

    EMPTY = ("meta", "img", "br", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.sources: list[str] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._id = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._id = dict(attrs).get("id") or ""
        self.sources += [v for k, v in attrs if k in ("src", "href") and v is not None]
        if tag == "script":
            self.scripts.setdefault(self._id, "")
        if tag not in self.EMPTY:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.scripts[self._id] += data
        elif "style" not in self.stack:
            self.text += f"{data} "


def read_page(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def embedded(page: Page) -> Any:
    return json.loads(page.scripts["run-data"])


def test_the_page_is_whole_in_one_file_and_loads_nothing(draw_run: Any) -> None:
    run = draw_run(15)
    page = read_page(run.page())
    assert page.stack == []
    assert page.sources == []
    assert "default-src 'none'" in (run.folder / "report.html").read_text("utf-8")
    frames = [name for name in page.scripts if name.startswith("frame-")]
    assert frames == [f"frame-{i}" for i in range(13)]
    assert set(json.loads(page.scripts["frame-3"])) == {
        "width", "height", "rgb", "x", "mask", "truth", "confidence",
    }  # fmt: skip
    assert not (run.folder / "page").exists()
    assert not (run.folder / "report_files").exists()


def test_it_leads_with_the_gain_of_x_by_condition(draw_run: Any) -> None:
    run = draw_run(15)
    text = re.sub(r"\s+", " ", read_page(run.page()).text)
    assert text.index("Limits of this model.") < text.index("What X brings")
    assert text.index("What X brings: RGB + thermal") < text.index("Frames segmented")
    groups = run.view.scores.with_x
    assert set(groups) == {"all", "day", "night", "fog"}
    alone = run.view.scores.alone["night"].miou
    said = f"night {alone:.3f} {groups['night'].miou:.3f} +{groups['night'].miou - alone:.3f}"
    assert said in text


def test_the_frames_columns_are_the_rows(draw_run: Any) -> None:
    run = draw_run(15)
    rows = read_run(run.folder).rows
    found = embedded(read_page(run.page()))
    frames = found["frames"]
    assert frames["index"] == [row.index for row in rows]
    assert frames["dropped"][6] == "RGB without an X near enough in time"
    assert frames["seconds"][:3] == [0.0, 0.1, 0.2]
    assert frames["seconds"][8] == pytest.approx(1.7)
    assert frames["miou"][3] == round(rows[3].miou, 4)
    assert frames["ious"][0][3] == round(rows[3].ious["road"], 4)
    assert frames["shares"][-1][3] == 0.0
    assert frames["total"][3] == pytest.approx(2.0 + 1.5 + 33.0 + 4.0)
    assert found["pictures"] == {"frames": list(range(13)), "folder": None, "frames_a_file": 50}


def test_without_truth_it_says_so_at_the_top_and_has_no_score(draw_run: Any) -> None:
    run = draw_run(15, scored=False)
    page = read_page(run.page())
    text = re.sub(r"\s+", " ", page.text)
    assert text.index("No scores. The recording has no ground truth.") < text.index("Frames")
    assert "What X brings" not in text
    found = embedded(page)
    assert found["scores"] is None
    assert set(found["frames"]["miou"]) == {None}
    assert "truth" not in json.loads(page.scripts["frame-0"])


def test_too_many_bytes_go_to_files_beside_it(draw_run: Any) -> None:
    run = draw_run(70, size=(16, 12))
    page = read_page(run.page(most_bytes=10_000))
    assert not any(name.startswith("frame-") for name in page.scripts)
    assert "report_files/" in page.text
    names = sorted(path.name for path in (run.folder / "report_files").iterdir())
    assert names == ["frames_0000.js", "frames_0001.js"]
    first, second = (run.folder / "report_files" / name for name in names)
    held = json.loads(first.read_text().removeprefix("segrgbxFrames(").removesuffix(");\n"))
    assert list(held) == [str(i) for i in range(50)]
    assert '"59":{' in second.read_text()
    assert page_files(run.folder) == [run.folder / "report.html", first, second]


def test_a_page_in_one_file_removes_the_files_of_an_earlier_one(draw_run: Any) -> None:
    run = draw_run(20, size=(16, 12))
    run.page(most_bytes=0)
    other = run.folder / "report_files" / "mine.txt"
    other.write_text("kept")
    run.page()
    assert [p.name for p in (run.folder / "report_files").iterdir()] == ["mine.txt"]
    other.unlink()
    run.page()
    assert not (run.folder / "report_files").exists()


def test_names_of_a_recording_are_text(draw_run: Any) -> None:
    run = draw_run(15)
    read = read_run(run.folder)
    rows = [replace(row, condition=FORGED, stem=FORGED, x_reason=FORGED, x_used=False)
            for row in read.rows]  # fmt: skip
    first, *others = read.label_set.classes
    labels = LabelSet(FORGED, (LabelClass(FORGED, first.color), *others))
    hostile = replace(
        run.view, title=FORGED, subtitle=FORGED, notices=(FORGED,), warnings=(FORGED,),
        x_name=FORGED, limits=FORGED, unscored=FORGED,
        scores=RunScores({"all": some_scores(0.5), FORGED: some_scores(0.4)},
                         {"all": some_scores(0.3), FORGED: some_scores(0.6)}),
    )  # fmt: skip
    path = write_run_page(run.folder, hostile, labels, rows)
    text = path.read_text("utf-8")
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert not any(c in text for c in "\x1b\u202e")
    page = Page(text)
    assert page.stack == []
    shown = "</script><script>alert(1)</script>\\x1b[2J\\n\\u202e<b>:car:"
    assert shown in page.text
    found = embedded(page)
    assert found["classes"][0]["name"] == shown
    assert found["frames"]["condition"][0] == shown
    assert found["x"] == shown


def some_scores(miou: float | None) -> GroupScores:
    return GroupScores(miou, {}, (), (), miou, 4)


def test_a_gain_is_signed_and_its_bar_between_the_scores() -> None:
    better, worse = gains(
        RunScores(
            {"all": some_scores(0.75), "fog": some_scores(0.5), "none": some_scores(None)},
            {"all": some_scores(0.5), "fog": some_scores(0.625), "none": some_scores(None)},
        )
    )
    assert (better.name, better.gain, better.low, better.width) == ("all frames", "+0.250", 50, 25)
    assert (worse.gain, worse.low, worse.width) == ("\u22120.125", 50, 12.5)
    assert (better.worse, worse.worse) == (False, True)
    assert (signed(0.0004), signed(-0.0004)) == ("0.000", "0.000")
    assert gains(RunScores({"all": some_scores(0.75)})) == ()
    assert gains(None) == ()
