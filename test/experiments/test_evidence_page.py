# SPDX-License-Identifier: Apache-2.0
"""The page from made-up results: means, spreads, verdicts, and missing runs."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))

from experiments.__main__ import main
from experiments.gather import (
    Cost,
    Curve,
    Group,
    Measured,
    Rendered,
    Results,
    load_results,
    write_results,
)
from experiments.plan import Plan, Run, load_plan
from experiments.report.figures import Findings, difference, figure, mean_over
from experiments.report.page import write_page
from experiments.report.section_faults import pictures
from experiments.report.tables import Line, compared
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import read_rgb
from segrgbx_core.scenes import SCENES_VERSION

# By run: mean IoU with X, and the seeds' distance from it.
SCORES = {
    "general": (0.60, 0.01),
    "only_thermal": (0.62, 0.02),
    "few_thermal": (0.55, 0.01),
    "rgb_only": (0.50, 0.01),
    "none": (0.60, 0.02),
    "dsrm_everywhere": (0.64, 0.01),
    "trusting": (0.63, 0.005),
    "nyu_segrgbx": (0.36, 0.01),
    "nyu_rgb_only": (0.30, 0.01),
    "mfnet_segrgbx": (0.31, 0.01),
    "mfnet_none": (0.30, 0.02),
    "mfnet_sensor_paths": (0.33, 0.01),
}
MACHINE = {"processor": "Abacus", "cores": "2", "commit": "abc1234", "changes": "yes"}


def results(seeds: tuple[int, ...] = (1, 2), scores: Mapping[str, object] = SCORES) -> Results:
    plan = load_plan()
    runs = [
        measured(plan, run, seed, scores)
        for run in plan.runs
        for seed in (1, 2)
        if seed in seeds or run.name not in scores
    ]
    cost = Cost("segrgbx scenes there", "done", 60.0, 30.0)
    words = "one pass, as a test has it"
    data = [Rendered("data/test/event", cost)]
    return Results(1, plan.content, False, 100.0, words, data, runs, SCENES_VERSION)


def measured(plan: Plan, run: Run, seed: int, scores: Mapping[str, object]) -> Measured:
    done = run.name in scores
    cost = Cost(f"segrgbx train {run.name}", "done", 3600.0, 1800.0, True, "", MACHINE)
    empty = Measured(
        run.name, seed, run.about, run.question, run.sensors, run.dataset, run.start_from, 500,
        cost if done else replace(cost, state="not run"), hardware="one core",
    )  # fmt: skip
    if run.name not in scores:
        return empty
    middle, half = SCORES[run.name]
    value = middle + half * (2 * seed - 3)
    places = ("rgb",) if run.scores == ("rgb",) else (*run.sensors, "rgb")
    groups = {name: group(value + add) for name, add in (("all", 0.0), ("night", -0.1))}
    curves = {
        kind: {s: curve(plan, kind, value) for s in run.sensors}
        for kind in ("drop", "noise", "shift", *(() if run.dataset else ("delay",)))
        if "worse" in run.scores
    }
    return replace(
        empty,
        validation=0.123,
        scores=dict.fromkeys(places, groups),
        curves=curves,
        others=(replace(cost, command=f"segrgbx evaluate {run.name}"),),
    )


def group(miou: float) -> Group:
    classes = {"road": miou, "glass": miou / 2, "car": miou, "bump": 0.0, "curve": None}
    return Group(miou, classes, 120, ["bump"])


def curve(plan: Plan, kind: str, value: float) -> Curve:
    levels = tuple(map(float, getattr(plan.degrade, kind)))
    return Curve(levels, [value - 0.01 * level for level in levels], 0.5, None, 100)


def page_of(measurements: Results, tmp_path: Path) -> str:
    write_page(measurements, tmp_path / "results.md")
    return (tmp_path / "results.md").read_text("utf-8")


def details_of(measurements: Results, tmp_path: Path) -> str:
    write_page(measurements, tmp_path / "results.md")
    return (tmp_path / "results" / "details.md").read_text("utf-8")


def test_a_figure_is_the_mean_and_half_the_range() -> None:
    over_seeds = figure({1: 0.5, 2: 0.6, 3: 0.52})
    assert over_seeds is not None
    assert over_seeds.text == "0.540 ± 0.050"
    assert figure({}) is None
    alone = figure({4: 0.5})
    assert alone is not None
    assert alone.text == "0.500"


@pytest.mark.parametrize(
    ("new", "old", "verdict", "standing"),
    [
        ((0.52, 0.54), (0.50, 0.51), "pays", "better"),
        ((0.52, 0.54), (0.50, 0.53), "does not pay: within the spread", "equal"),
        ((0.48, 0.49), (0.50, 0.53), "costs", "worse"),
        ((0.511, 0.512), (0.509, 0.510), "does not pay: less than 0.005", "equal to less than"),
        ((0.50, 0.56, 0.56), (0.505, 0.505, 0.505), "does not pay: within the spread", "equal"),
        ((0.60,), (0.50, 0.53), "one seed, no verdict", "one seed"),
    ],
)
def test_a_part_pays_where_all_seeds_agree(
    new: tuple[float, ...], old: tuple[float, ...], verdict: str, standing: str
) -> None:
    gain = difference(dict(enumerate(new)), dict(enumerate(old)))
    assert gain is not None
    assert gain.verdict == verdict
    assert gain.standing.startswith(standing)
    clear = len(new) > 1 and min(new) > max(old) and gain.mean >= 0.005
    assert (verdict == "pays") == clear


def test_a_mean_over_sensors_needs_all_of_them() -> None:
    assert mean_over([{1: 0.2, 2: 0.4}, {1: 0.4}]) == pytest.approx({1: 0.3})
    assert mean_over([{1: 0.2}, {}]) == {}


def test_the_best_of_a_column_is_bold() -> None:
    rows = compared([Line(("a",), ({1: 0.5}, {})), Line(("b",), ({1: 0.6}, {1: 0.1}))])
    assert rows == [["a", "0.500", "not run", "1"], ["b", "**0.600**", "0.100", "1"]]


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    page = page_of(results(), tmp_path)
    lines = page.splitlines()
    assert any(
        line.startswith("| RGB-D, all parts | **0.360 ± 0.010** | 0.360 ± 0.010 |")
        and line.endswith("| 2 | +0.060 ± 0.020 | 1.00 |")
        for line in lines
    )
    assert "**RGB-D, all parts against RGB alone**: pays (+0.060 ± 0.020)" in page
    assert "at least 0.36, reached (0.360 ± 0.010); at least 0.02 above RGB alone, reached" in page
    assert "at least 0.33, missed (0.310 ± 0.010)" in page
    assert "car above 0.004, reached (0.210 ± 0.010)" in page
    # (0.31 + 0.155 + 0.31) / 3: without the class that no label has.
    assert "| RGB-T, all parts | **0.310 ± 0.010** | **0.258 ± 0.008** |" in page
    assert "**RGB-T, all parts**: against RGB-T, without parts, equal within the spread" in page
    assert "**Thermal beside RGB**: over all, pays (+0.100 ± 0.020)" in page
    assert "| all three parts, as in the paper | 0.600 ± 0.010 | 0.500 ± 0.010 |" in page
    assert "**All three, DSRM at all four stages**: streets, pays (+0.040 ± 0.030)" in page
    assert "| all three, a low-rank path for each sensor | not run | - | +0.030 ± 0.030 |" in page
    assert (
        "| all three parts, as in the paper | +0.000 ± 0.030 | not run | +0.010 ± 0.030 |" in page
    )
    assert "MFNet, does not pay: within the spread (+0.010 ± 0.030)" in page
    night = next(i for i, line in enumerate(lines) if line.startswith("| model, night | car |"))
    assert lines[night + 2].startswith("| RGB-T, all parts | **0.210 ± 0.010** |")
    # At the largest delay the made-up curves lie 0.05 below their level 0.
    assert "**X at times faulty in training**: never below -0.01" in page
    assert "one pass, as a test has it" in page


def test_a_bad_x_that_does_harm_is_named(tmp_path: Path) -> None:
    runs = [
        replace(m, curves={kind: {s: replace(c, rgb_alone=0.585) for s, c in by.items()}
                           for kind, by in m.curves.items()})
        for m in results().runs
    ]  # fmt: skip
    page = page_of(replace(results(), runs=runs), tmp_path)
    (line,) = [x for x in page.splitlines() if x.startswith("- **X at times faulty in training")]
    assert "below -0.01 at event shift 8 (-0.065" in line
    assert "shift 2" not in line


def test_the_details_have_each_sensors_pair(tmp_path: Path) -> None:
    lines = details_of(results(), tmp_path).splitlines()
    assert any(line.startswith("| thermal | general | 0.600 ± 0.010 |") for line in lines)
    assert any(
        line.startswith("| thermal | specialist, equal steps | **0.620 ± 0.020** |")
        for line in lines
    )
    assert any(line.startswith("| road | 0.360 ± 0.010 |") for line in lines)


def test_the_details_name_each_run_with_its_command_and_cost(tmp_path: Path) -> None:
    page = details_of(results(), tmp_path)
    row = next(line for line in page.splitlines() if line.startswith("| general_s2 |"))
    assert "`segrgbx train general`" in row
    assert "| 2 | 500 | 0.123 | 1 h 00 min | 30 min | 1 h 00 min | A | abc1234+ |" in row
    assert "A, Abacus with 2 cores, trained on one core" in page


def test_the_page_says_what_has_not_been_run(tmp_path: Path) -> None:
    page = page_of(results(), tmp_path)
    assert "**Not run yet:** nyu_none_s1" in page
    assert "| RGB-D, without parts | not run |" in page
    bare = page_of(results(scores={}), tmp_path)
    assert "general_s1" in next(line for line in bare.splitlines() if "Not run yet" in line)
    assert "make results MFNET=" in bare
    assert not list((tmp_path / "results").glob("*.png"))


def test_the_page_says_where_the_scenes_looked_otherwise(tmp_path: Path) -> None:
    assert "earlier look" not in page_of(results(), tmp_path)
    said = page_of(replace(results(), scenes=SCENES_VERSION - 1), tmp_path)
    assert "earlier look" in said
    assert f"(version {SCENES_VERSION - 1};" in said


def test_results_of_before_versions_were_counted_are_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(results(), path)
    content = json.loads(path.read_text("utf-8"))
    del content["scenes"]
    path.write_text(json.dumps(content), "utf-8")
    assert load_results(path).scenes == 1


def test_one_seed_gives_no_verdict(tmp_path: Path) -> None:
    page = page_of(results(seeds=(1,)), tmp_path)
    assert "| RGB-D, all parts | **0.350** |" in page
    assert "**Thermal beside RGB**: over all, one seed, no verdict (+0.100)" in page
    assert ", pays (" not in page


def test_the_pictures_show_every_row(tmp_path: Path) -> None:
    page = details_of(results(), tmp_path)
    for name in ("nyu", "mfnet", "sensors", "sensors_night", "parts", "noise", "shift", "delay"):
        assert f"({name}.png)" in page
        image = read_rgb(tmp_path / "results" / f"{name}.png")
        assert image.shape[1] == 1000
        assert len({tuple(color) for color in image[::3, ::3].reshape(-1, 3)}) > 8


def test_curves_need_both_models() -> None:
    without = {name: value for name, value in SCORES.items() if name != "trusting"}
    assert set(pictures(Findings(results(scores=without))).values()) == {None}


def test_results_are_the_same_read_back(tmp_path: Path) -> None:
    measurements = results()
    write_results(measurements, tmp_path / "results.json")
    again = load_results(tmp_path / "results.json")
    write_page(measurements, tmp_path / "a.md")
    write_page(again, tmp_path / "b.md")
    one, two = ((tmp_path / name).read_text("utf-8") for name in ("a.md", "b.md"))
    assert one.replace("(a/", "(b/") == two


def test_the_page_can_be_written_from_the_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(results(), tmp_path / "results.json")
    page = tmp_path / "page.md"
    assert main(["--from", str(tmp_path), "--page", str(page)]) == 0
    assert "# Results" in page.read_text("utf-8")
    assert (tmp_path / "page" / "results.json").is_file()
    assert str(page) in capsys.readouterr().out.replace("\n", "")
    assert main(["--from", str(tmp_path / "no.json")]) == 2


@pytest.mark.parametrize("spoil", [lambda text: text[:40], lambda _: '{"format": 0}'])
def test_what_are_no_results_is_said(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    path = tmp_path / "results.json"
    write_results(results(), path)
    path.write_text(spoil(path.read_text("utf-8")), "utf-8")
    with pytest.raises(InputError, match=r"results\.json"):
        load_results(path)
