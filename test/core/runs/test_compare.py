# SPDX-License-Identifier: Apache-2.0
"""`segrgbx compare`: frames matched, differences with words, and what cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.runs.comparison.bootstrap import Resampling
from segrgbx_core.runs.comparison.compare import compare_runs
from segrgbx_core.runs.comparison.wording import how_words, verdict_words
from segrgbx_core.runs.folder import SUMMARY_FILE, read_run
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.scores import scores_by_condition, scores_of
from segrgbx_ros.cli import main

FRAMES = 60
CONDITIONS = ["day"] * 30 + ["night_rain"] * 30
FEW = Resampling(300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, made) -> Path:
    """before: with RGB alone; after: better by day, worse by night, five frames fewer."""
    top = tmp_path_factory.mktemp("runs")
    truths = made.street(FRAMES)
    before = made.spoilt(truths, 0.10, 1)
    better, worse = made.spoilt(truths, 0.02, 2), made.spoilt(truths, 0.3, 3)
    after = [*better[:30], *worse[30:]]
    alone = made.spoilt(truths, 0.25, 4)
    made.make(top / "before", made.Made(before, truths, alone, CONDITIONS))
    drops = [FrameRow(None, "", i * 100_000_000, "rgb_without_x") for i in range(55, 60)]
    facts = {"model": "real", "settings": {"slop": 0.05}}
    content = made.Made(after[:55], truths[:55], None, CONDITIONS[:55], drops=drops, facts=facts)
    made.make(top / "after", content)
    made.make(top / "before_blind", made.Made(before))
    made.make(top / "after_blind", made.Made(after))
    return top


def test_figures_are_those_of_the_frames_in_common(folders: Path) -> None:
    before, after = read_run(folders / "before"), read_run(folders / "after")

    found = compare_runs([before, after], FEW)

    assert (found.frames, found.scored, found.matched_by, found.rate_hz) == (55, 55, "stamp", 10)
    assert [g.name for g in found.groups] == ["all", "day", "night_rain"]
    assert [g.frames for g in found.groups] == [55, 30, 25]
    shared = scores_of(before, np.arange(55))
    whole = found.groups[0]
    assert whole.miou.values[0] == pytest.approx(shared.miou, abs=1e-6)
    assert whole.miou.values[1] == pytest.approx(scores_of(after).miou, abs=1e-6)
    assert {line.name: line.values[0] for line in whole.classes} == pytest.approx(
        shared.per_class_iou, abs=1e-6
    )
    day = scores_by_condition(after)["day"].miou
    assert found.groups[1].miou.values[1] == pytest.approx(day, abs=1e-6)
    assert [g.miou.differences[0].verdict for g in found.groups[1:]] == ["better", "worse"]
    assert found.runs[0].only_here == tuple(f"{i:06d}" for i in range(55, 60))
    assert found.runs[1].only_here == ()


def test_the_frames_that_fell_most_come_first(folders: Path) -> None:
    runs = [read_run(folders / name) for name in ("before", "after")]

    found = compare_runs(runs, FEW, worst=3).runs[1]

    change = [
        (after.miou - before.miou, before.stem, before.miou, after.miou)
        for before, after in zip(runs[0].rows, runs[1].rows, strict=True)
        if after.miou is not None
    ]
    expected = sorted(change)[:3]
    assert [frame.stem for frame in found.worst] == [stem for _, stem, _, _ in expected]
    assert found.worst[0].before == pytest.approx(expected[0][2], abs=1e-5)
    assert found.worst[0].after == pytest.approx(expected[0][3], abs=1e-5)
    assert found.worst[0].condition == "night_rain"
    assert found.worst[0].stamp_ns == int(found.worst[0].stem) * 100_000_000
    assert found.worse == sum(lost < 0 for lost, *_ in change)
    assert found.better == sum(lost > 0 for lost, *_ in change)


def test_what_they_differ_in_is_listed(folders: Path) -> None:
    runs = [read_run(folders / name) for name in ("before", "after")]
    table = {s.name: s.values for s in compare_runs(runs, FEW).settings}
    assert table == {"model": ("demo", "real"), "slop": ("-", "0.05")}


def test_one_run_is_held_against_rgb_alone(folders: Path) -> None:
    run = read_run(folders / "before")

    found = compare_runs([run], FEW)

    assert found.title == "before: RGB + X against RGB alone"
    whole = found.groups[0].miou
    assert whole.values[0] == pytest.approx(scores_of(run, alone=True).miou, abs=1e-6)
    assert whole.values[1] == pytest.approx(scores_of(run).miou, abs=1e-6)
    assert whole.differences[0].verdict == "better"
    assert verdict_words(found)[0].startswith("RGB + X is better than RGB alone (+0.")
    assert "paired circular block bootstrap" in how_words(found)
    with pytest.raises(InputError, match=r"no scores of RGB alone.*name a second run"):
        compare_runs([read_run(folders / "after")])


def test_without_truth_shares_and_masks_are_compared(folders: Path) -> None:
    runs = [read_run(folders / name) for name in ("before_blind", "after_blind")]
    steps: list[int] = []

    found = compare_runs(runs, FEW, worst=4, on_mask=lambda: steps.append(1))

    assert found.scored == 0
    assert found.groups == ()
    assert len(steps) == FRAMES
    road = next(line for line in found.shares if line.name == "road")
    mean = np.mean([row.shares["road"] for row in runs[0].rows])
    assert road.values[0] == pytest.approx(mean, abs=1e-6)
    assert {d.verdict for line in found.shares for d in line.differences} <= {
        "more",
        "less",
        "not distinguishable",
    }
    agreed = found.agreement[0]
    assert 0.5 < agreed.pixels < 1
    assert len(agreed.apart) == 4
    assert agreed.apart[0].after <= agreed.apart[1].after < agreed.pixels
    assert any("No run was scored" in note for note in found.notes)


def test_masks_that_are_the_same_agree_in_every_pixel(tmp_path: Path, made) -> None:
    masks = [np.full((4, 6), i % 3, np.uint8) for i in range(6)]
    other = [mask.copy() for mask in masks]
    other[4][0] = 255
    runs = [
        read_run(made.make(tmp_path / name, made.Made(content)))
        for name, content in (("a", masks), ("b", masks), ("c", other))
    ]

    same, apart = compare_runs(runs, FEW).agreement

    assert same.pixels == 1.0
    assert same.per_class_iou == {"road": 1.0, "car": 1.0, "person": 1.0}
    # Six of 144 pixels, all of class 1, of which there are 48.
    assert apart.pixels == pytest.approx(138 / 144, abs=1e-6)
    assert apart.per_class_iou["car"] == pytest.approx(42 / 48, abs=1e-6)
    assert (apart.apart[0].stem, apart.apart[0].after) == ("000004", 0.75)


def test_another_truth_is_told(tmp_path: Path, made) -> None:
    truths = made.street(12)
    moved = [np.roll(truth, 1, axis=0) for truth in truths]
    moved[3][:] = 0
    masks = made.spoilt(truths, 0.1, 1)
    a = read_run(made.make(tmp_path / "a", made.Made(masks, truths)))
    b = read_run(made.make(tmp_path / "b", made.Made(masks, moved)))

    notes = compare_runs([a, b], FEW).notes

    assert any("b was scored with another truth than a in 1 frame," in note for note in notes)


def test_files_are_matched_by_name(tmp_path: Path, made) -> None:
    truths = made.street(6)
    names = ["f", "b", "c", "d", "e", "a"]
    files = made.Made(truths, stems=names, stamps=[None] * 6)
    first = read_run(made.make(tmp_path / "1", files))
    stamped = made.Made(truths[:4], stems=names[:4])
    second = read_run(made.make(tmp_path / "2", stamped))

    found = compare_runs([first, second], FEW)

    assert (found.matched_by, found.frames, found.rate_hz) == ("stem", 4, None)
    assert found.runs[0].only_here == ("e", "a")


OTHER = LabelSet("other", (LabelClass("road", (1, 2, 3)), LabelClass("sky", (4, 5, 6))))


def _other_classes(made, masks):
    return made.Made([np.minimum(m, 1) for m in masks], label_set=OTHER)


def _later(made, masks):
    return made.Made(masks, stamps=[i * 100_000_000 + 7_000_000 for i in range(len(masks))])


def _twice(made, masks):
    return made.Made(masks, stamps=[5] * len(masks))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_other_classes, r"different classes \(only .*a has car, person; only .*b has sky\)"),
        (_later, r"no frame of one stamp in common \(the nearest are 0.007 s apart\)"),
        (_twice, "8 frames of stamp 5"),
        (lambda made, _: made.Made([]), "no segmented frame"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(tmp_path, made, content, words) -> None:
    masks = made.street(8)
    masks = [np.where(m == 255, 0, m).astype(np.uint8) for m in masks]
    a = read_run(made.make(tmp_path / "a", made.Made(masks)))
    b = read_run(made.make(tmp_path / "b", content(made, masks)))

    with pytest.raises(InputError, match=words):
        compare_runs([a, b], FEW)


def test_the_command_prints_and_writes(folders: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    given = ["compare", str(folders / "before"), str(folders / "after"), "--resamples", "200"]

    assert main([*given, "--out", str(out)]) == 0

    said = capsys.readouterr()
    assert "day (30)" in said.out
    assert "worse" in said.out
    assert "blocks of" in said.out
    assert "of the 9 differences by class, about 0.5 lie outside by chance" in said.err
    content = json.loads((out / "compare.json").read_text())
    assert content["groups"][2]["miou"]["differences"][0]["verdict"] == "worse"
    page = (out / "compare.html").read_text()
    assert "after against before" in page
    assert "data:image/jpeg;base64," in page
    assert page.count('class="plot') == 3 * 4
    assert "http" not in page.replace("http://www.w3.org", "")
    assert main([*given, "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 55


def test_a_name_with_markup_stays_text_on_the_page(tmp_path: Path, made, capsys) -> None:
    masks = [np.zeros((4, 4), np.uint8)] * 3
    a = made.make(tmp_path / "<b>a", made.Made(masks))
    b = made.make(tmp_path / "[red]b", made.Made(masks))

    assert main(["compare", str(a), str(b), "--out", str(tmp_path / "out")]) == 0

    assert "[red]b against <b>a" in capsys.readouterr().out
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "[red]b against &lt;b&gt;a" in page
    assert "<b>a" not in page


def test_a_folder_of_another_version_is_refused(folders: Path, tmp_path: Path, capsys) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / SUMMARY_FILE).write_text("{}")

    assert main(["compare", str(folders / "before"), str(old)]) == 2

    assert "was written by another version" in capsys.readouterr().err
    run = folders / "before"
    assert main(["compare", str(run), str(folders / "after"), "--out", str(run), "--force"]) == 2
    assert "is one of the runs" in capsys.readouterr().err
