# SPDX-License-Identifier: Apache-2.0
"""The report from a summary and pictures alone, and the summary read back and printed."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.summary import GroupScores
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.report.layers import LayerWriter
from segrgbx_core.runs.figures import Percentiles, Spread
from segrgbx_core.runs.folder import RunFacts
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.writer import RunWriter
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.cli import main
from segrgbx_ros.replay.report import write_report
from segrgbx_ros.replay.summary import (
    Frames,
    ModelFacts,
    Recording,
    ReplaySummary,
    read_summary,
)

STREET = load_label_set("street")
EACH = (0.9, 0.5, 0.7, 0.8, 0.95, 0.75, 0.25, 0.85, 0.6, None, 0.5)
IOU = dict(zip(STREET.names, EACH, strict=True))
WHOLE = ReplaySummary(
    frames=Frames(50, 45, 43, 43, {"rgb_without_x": 7, "x_unused": 2}),
    miou=0.7,
    per_class_iou=IOU,
    pixel_accuracy=0.91,
    frames_scored=43,
    stage_ms={"decode": Percentiles(0.5, 0.9), "model": Percentiles(181.0, 240.6)},
    skew_ms=Spread(12.25, 27.0, 29.5),
    model="demo",
    modality="thermal",
    device="cpu",
    precision="float32",
    backend="eager",
    versions={"segrgbx": "0.1.0", "torch": "2.9.9"},
    topics=TopicsTaken(
        "/rgb/image_raw", "/thermal/image_raw", "/ground_truth/mask", None, "/rgb/camera_info"
    ),
    topic_messages={"/rgb/image_raw": 50, "/thermal/image_raw": 45, "/ground_truth/mask": 50},
    recording=Recording("out/drive", 5.0, True, None),
    mean_confidence=0.83,
    class_fractions={**dict.fromkeys(STREET.names, 0.09), "unlabelled": 0.01},
    class_colors={c.name: c.color for c in STREET.classes},
    card=ModelFacts("Trained on <synthetic> scenes", "Apache-2.0", ("thermal",), {"epochs": 40}),
    problems={},
    notes=[],
)


def group(miou: float, per_class: dict[str, float | None] | None = None) -> GroupScores:
    return GroupScores(miou, per_class or IOU, (), (), 0.91, 43)


SCORED = replace(
    WHOLE,
    scores={"all": group(0.7), "night": group(0.625)},
    rgb_alone={"all": group(0.65), "night": group(0.5)},
    rgb_alone_ms=Percentiles(171.5, 201.0),
    card=replace(WHOLE.card, limits="Knows <synthetic> streets alone."),
    run=RunFacts(1, "replay", "out/drive", "demo", "thermal", "street", "/ground_truth/mask",
                 {"sync.slop_s": 0.05}),
)  # fmt: skip


def written(folder: Path, summary: ReplaySummary) -> str:
    """The text of that summary's page, without the scripts."""
    (folder / "summary.json").write_text(summary.to_json())
    assert write_report(folder) == folder / "report.html"
    page = (folder / "report.html").read_text("utf-8")
    return re.sub(
        r"\s+", " ", re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.S)
    )


def test_it_says_the_figures(tmp_path: Path) -> None:
    text = written(tmp_path, WHOLE)
    for words in (
        "5.0 s of RGB with thermal, segmented by model demo",
        "0.700",
        "of 50",
        "7 of 50 RGB images",
        "Dropped: X that went with no RGB",
        '<td>Thermal</td><td class="n">/thermal/image_raw</td><td class="n">45</td>',
        "<dd>cpu in float32, eager</dd>",
        "2.9.9",
        "Training: epochs",
        '<td>RGB to X</td><td class="n">12.2</td><td class="n">27.0</td><td class="n">29.5</td>',
    ):
        assert words in text
    assert re.search(r"Time a frame.*?182.*?ms", text, re.DOTALL)
    assert "Trained on &lt;synthetic&gt; scenes" in text
    assert "What X brings" not in text


def test_it_leads_with_what_x_brings_and_the_limits(tmp_path: Path) -> None:
    text = written(tmp_path, SCORED)
    limits, gain = text.index("Knows &lt;synthetic&gt; streets alone."), text.index("+0.050")
    assert limits < gain < text.index("Mean IoU")
    assert "RGB + thermal against RGB alone" in text
    assert '<td>night</td><td class="n">0.500</td><td class="n">0.625</td>' in text
    assert '<td>RGB alone, for the score</td><td class="n">172</td>' in text
    assert "<dt>sync.slop_s</dt><dd>0.05</dd>" in text


def test_frames_of_the_folder_are_on_the_page(tmp_path: Path) -> None:
    with RunWriter(tmp_path, STREET, alone=False) as run:
        run.write_row(FrameRow(0, "000000", 5 * 10**9, miou=0.5, shares={"road": 1.0}))
        run.write_row(FrameRow(None, "", 6 * 10**9, "undecodable_x"))
    picture = np.full((12, 16, 3), 9, np.uint8)
    LayerWriter(tmp_path, 1).write(0, picture, None, picture[..., 0], None, picture[..., 0])
    written(tmp_path, SCORED)
    page = (tmp_path / "report.html").read_text("utf-8")
    [data] = re.findall(r'id="run-data">(.*?)</script>', page)
    frames = json.loads(data)["frames"]
    assert (frames["index"], frames["seconds"], frames["miou"]) == ([0, None], [0, 1], [0.5, None])
    assert frames["dropped"] == ["", "X that cannot be decoded"]
    assert page.count('id="frame-') == page.count('id="frame-0">') + 2 == 3


def test_no_warning_where_all_is_well_and_one_where_not(tmp_path: Path) -> None:
    title = "Not everything became a mask"
    assert title not in written(tmp_path, WHOLE)
    lost = "The recording breaks off after 4.6 s."
    broken = replace(
        WHOLE,
        recording=Recording("out/drive", 4.6, False, lost),
        frames=replace(WHOLE.frames, dropped={"undecodable_x": 3}),
        problems={"undecodable_x": "An image cannot be decoded."},
    )
    text = written(tmp_path, broken)
    for words in (title, lost, "Dropped 3: X that cannot be decoded.", "An image cannot be"):
        assert words in text


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("approximate", "a larger --slop pairs more"),
        ("exact", "without --sync-policy exact, the nearest within --slop is taken"),
    ],
)
def test_the_way_to_more_pairs_fits_the_policy(tmp_path: Path, policy: str, words: str) -> None:
    as_often = replace(WHOLE.frames, x_in=WHOLE.frames.rgb_in)
    assert words in written(tmp_path, replace(WHOLE, sync_policy=policy, frames=as_often))


def test_an_x_that_comes_less_often_names_missing_x(tmp_path: Path) -> None:
    assert WHOLE.frames.x_in < WHOLE.frames.rgb_in
    text = written(tmp_path, replace(WHOLE, sync_policy="approximate"))
    assert "comes less often" in text
    assert "--missing-x rgb_only" in text


def test_without_truth_and_without_x(tmp_path: Path) -> None:
    alone = replace(
        WHOLE,
        miou=None,
        per_class_iou=None,
        pixel_accuracy=None,
        frames_scored=0,
        skew_ms=None,
        modality="none",
        topics=TopicsTaken("/rgb/image_raw", None, None, None, None),
    )
    text = written(tmp_path, alone)
    assert "No scores." in text
    assert "nothing to measure against" in text
    assert "5.0 s of RGB alone" in text
    assert "Mean IoU" not in text
    assert "RGB to X" not in text


def test_truth_that_met_no_mask_is_said(tmp_path: Path) -> None:
    unmet = replace(SCORED, miou=None, per_class_iou=None, pixel_accuracy=None, frames_scored=0,
                    scores=None, rgb_alone=None)  # fmt: skip
    text = written(tmp_path, unmet)
    assert "No mask could be compared with the ground truth of /ground_truth/mask" in text


def test_a_summary_reads_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(WHOLE.to_json())
    back = read_summary(tmp_path)
    assert json.loads(back.to_json()) == json.loads(WHOLE.to_json())
    assert (back.frames, back.stage_ms, back.topics) == (
        WHOLE.frames,
        WHOLE.stage_ms,
        WHOLE.topics,
    )


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("frames", "rgb_in"), -5, "rgb_in -5"),
        (("frames", "dropped", "no_x"), -1, "no_x -1"),
        (("frames", "segmented"), 51, "43 masks scored of 51 of 50 images"),
        (("miou",), 7.3, "miou 7.3"),
        (("miou",), None, "miou None beside"),
        (("per_class_iou", "pole"), -0.1, "IoU of pole -0.1"),
        (("pixel_accuracy",), 1.5, "pixel_accuracy 1.5"),
        (("mean_confidence",), 30, "mean_confidence 30"),
        (("class_fractions", "unlabelled"), 0.9, "class_fractions of "),
        (("class_fractions", "other"), 0.0, "class_fractions of other classes"),
        (("class_colors", "pole"), [0, 0, 256], "the colour [0, 0, 256] of pole"),
        (("stage_ms", "model", "p50"), 1e9, "stage_ms.model"),
        (("skew_ms", "max"), 0.0, "skew_ms"),
        (("recording", "duration_s"), -1.0, "duration_s -1.0"),
        (("recording", "complete"), False, "complete False beside lost data of None"),
        (("modality",), "sonar", "modality 'sonar'"),
        (("topic_messages", "/rgb/image_raw"), -2, "/rgb/image_raw -2"),
        (("frames", "rgb_in"), 50.0, "rgb_in is 50.0; expected a whole number"),
        (("miou",), float("nan"), "miou is nan; expected a finite number"),
        (("topics",), [], "topics is []; expected a mapping"),
        (("class_colors", "pole"), [[]], "class_colors.pole has 1 values; expected 3"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(
    tmp_path: Path, place: tuple[str, ...], value: object, words: str
) -> None:
    content = json.loads(WHOLE.to_json())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_summary(tmp_path)
    assert words in str(caught.value)


def test_summary_command_prints_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.json").write_text(WHOLE.to_json())
    assert main(["summary", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for words in (
        "50 RGB and 45 thermal",
        "7 RGB without an X near enough in time",
        "2 X that went with no RGB",
        "0.700 over 43 frames, pixel accuracy 0.910",
        "decode 0.50 / 0.90, model 181 / 241",
        "12.2 / 27.0, largest 29.5",
        "pole         0.250",
        "cyclist          -",
        f"look at {tmp_path / 'report.html'}",
    ):
        assert words in said


def test_summary_of_an_incomplete_recording_is_status_1(tmp_path: Path) -> None:
    broken = replace(WHOLE, recording=Recording("out/drive", 4.6, False, "It breaks off."))
    (tmp_path / "summary.json").write_text(broken.to_json())
    assert main(["summary", str(tmp_path)]) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no summary.json"),
        ("{", "is not readable JSON: "),
        ("{}", "lacks frames, miou, "),
        ('{"model": 1, "model": 2}', "key 'model' is given twice"),
        ("[]", "is []; expected a mapping"),
    ],
)
def test_a_summary_that_cannot_be_read(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(InputError) as caught:
        read_summary(tmp_path)
    assert words in str(caught.value)
    assert main(["summary", str(tmp_path)]) == 2
