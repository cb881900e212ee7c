# SPDX-License-Identifier: Apache-2.0
"""Thresholds of a run: what passes, what fails, and what was not measured; JUnit XML."""

from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.files.resources import share_dir
from segrgbx_core.runs.comparison.bootstrap import Resampling
from segrgbx_core.runs.comparison.compare import compare_runs
from segrgbx_core.runs.comparison.losses import loss_checks
from segrgbx_core.runs.figures import paired_share, segmented_share
from segrgbx_core.runs.folder import Run, read_run
from segrgbx_core.runs.junit import junit_xml
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.scores import scores_of
from segrgbx_core.runs.thresholds import (
    Loss,
    Measured,
    ThresholdCheck,
    checks,
    figures_of,
    read_thresholds,
)
from segrgbx_ros.cli import main


def _made(tmp_path: Path, made: SimpleNamespace) -> Run:
    """Ten frames by hand: road everywhere; right in all pixels by day, in half by night, and in a
    quarter with RGB alone."""
    truth = np.zeros((4, 4), np.uint8)
    right, half, quarter = truth.copy(), truth.copy(), truth.copy()
    half[:2], quarter[:3] = 1, 1
    content = made.Made(
        masks=[right] * 5 + [half] * 5,
        truths=[truth] * 10,
        alone=[quarter] * 10,
        conditions=["day"] * 5 + ["night_rain"] * 5,
        drops=[
            FrameRow(None, "", 10**12, "rgb_without_x"),
            FrameRow(None, "", 10**12 + 1, "after_max_frames"),
        ],
        confidence=1.0,
    )
    return read_run(made.make(tmp_path / "run", content))


def _checks(tmp_path: Path, run: Run, text: str) -> dict[str, ThresholdCheck]:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    found = checks(read_thresholds(path), figures_of(run))
    return {check.name: check for check in found}


def test_each_figure_is_held_against_its_bound(tmp_path: Path, made: SimpleNamespace) -> None:
    run = _made(tmp_path, made)

    found = _checks(
        tmp_path,
        run,
        """
miou: 0.375
pixel_accuracy: 0.76
gain: 0.25
classes: {road: 0.75, car: 0.1}
conditions: {day: 1, night_rain: {miou: 0.3, gain: 0.125, classes: {road: 0.5}}}
latency_p95_ms: 11.8
paired: 0.9
segmented: 0.91
ece: 0.2
""",
    )

    # Road 120 of 160 pixels, car 0 of 40: by night 40 of 80 and 0; alone 40 of 160 and 0.
    assert [(c.name, round(c.value, 6), c.passed) for c in found.values()] == [
        ("mIoU", 0.375, True),
        ("pixel accuracy", 0.75, False),
        ("gain of X", 0.25, True),
        ("IoU of road", 0.75, True),
        ("IoU of car", 0.0, False),
        ("mIoU in day", 1.0, True),
        ("mIoU in night rain", 0.25, False),
        ("gain of X in night rain", 0.125, True),
        ("IoU of road in night rain", 0.5, True),
        ("latency p95", 11.855, False),
        ("share of RGB paired", round(10 / 11, 6), True),
        ("share of RGB segmented", round(10 / 11, 6), False),
        ("calibration error (ECE)", 0.25, False),
    ]
    assert found["latency p95"].sentence() == "latency p95 is 11.9 ms; expected at most 11.8 ms."
    night = found["mIoU in night rain"].sentence()
    assert night == "mIoU in night rain is 0.250; expected at least 0.300."


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("classes: {bicycle: 0.1}", "IoU of bicycle", "no such class; it has road, car, person"),
        ("classes: {person: 0}", "IoU of person", "in neither truth nor masks"),
        ("conditions: {fog: 0}", "mIoU in fog", "the run has day, night_rain"),
        ("conditions: {fog: {classes: {road: 0}}}", "IoU of road in fog", "has day, night_rain"),
        ("conditions: {fog: {gain: -1}}", "gain of X in fog", "has day, night_rain"),
    ],
)
def test_what_the_run_does_not_have_fails(
    tmp_path: Path, made: SimpleNamespace, text: str, name: str, words: str
) -> None:
    check = _checks(tmp_path, _made(tmp_path, made), text)[name]

    assert not check.passed
    assert words in check.sentence()
    assert "was not measured" in check.sentence()


def test_without_truth_no_score_passes(tmp_path: Path, made: SimpleNamespace) -> None:
    blind = read_run(made.make(tmp_path / "run", made.Made([np.zeros((2, 2), np.uint8)] * 3)))
    text = "{miou: 0, gain: -1, classes: {road: 0}, conditions: {day: 0}, ece: 1, segmented: 1}"

    found = _checks(tmp_path, blind, text)

    assert [c.name for c in found.values() if c.passed] == ["share of RGB segmented"]
    failed = [c for c in found.values() if not c.passed]
    assert len(failed) == 5
    assert all("no ground truth" in c.sentence() for c in failed)


def test_no_second_sensor_and_no_times_are_not_measured(
    tmp_path: Path, made: SimpleNamespace
) -> None:
    masks = [np.zeros((2, 2), np.uint8)]
    run = read_run(made.make(tmp_path / "run", made.Made(masks, facts={"modality": "none"})))

    assert paired_share(run) is None
    assert segmented_share(run) == 1.0
    found = _checks(tmp_path, run, "{paired: 0, latency_p95_ms: 1}")
    assert not found["share of RGB paired"].passed
    assert checks(read_thresholds(tmp_path / "t.yaml"), Measured())[0].value is None


def test_a_figure_close_to_its_bound_is_written_out() -> None:
    assert (
        ThresholdCheck("mIoU", 0.59996, 0.6).sentence()
        == "mIoU is 0.59996; expected at least 0.600."
    )
    assert not ThresholdCheck("mIoU", 0.59996, 0.6).passed
    assert ThresholdCheck("mIoU", 0.6, 0.6).passed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "sets no threshold"),
        ("miuo: 0.5", "unknown keys miuo; known: miou"),
        ("miou: 60", "miou is 60.0; expected a share"),
        ("miou: high", "miou is 'high'; expected a number"),
        ("gain: 2", "gain is 2.0; expected a difference"),
        ("classes: {road: -1}", "classes.road is -1.0"),
        ("classes: [road]", "expected a mapping"),
        ("conditions: {day: 2}", "conditions.day is 2.0"),
        ("conditions: {day: {iou: 1}}", "conditions.day"),
        ("latency_p95_ms: 0", "latency_p95_ms is 0.0; expected more than 0"),
        ("loss: {miou: -0.1}", "miou is -0.1"),
        ("miou: 0.1\nmiou: 0.2", "given twice"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"t\.yaml") as err:
        read_thresholds(path)
    assert words in str(err.value)


def test_the_shipped_example_is_read() -> None:
    found = read_thresholds(share_dir() / "config" / "ci" / "thresholds.yaml")
    assert found.miou == 0.6
    assert dict(found.groups())["night"].classes == {"pedestrian": 0.35}


def test_losses_fail_only_where_they_are_no_noise(tmp_path: Path, made: SimpleNamespace) -> None:
    truths = made.street(60)
    names = {"first": (0.1, 1), "like": (0.1, 2), "worse": (0.3, 3)}
    runs = [
        read_run(made.make(tmp_path / n, made.Made(made.spoilt(truths, *how), truths)))
        for n, how in names.items()
    ]
    found = compare_runs(runs, Resampling(400))
    loss = Loss(miou=0.0, classes=0.5)

    like, worse = (loss_checks(loss, found, number) for number in (1, 2))

    assert all(check.passed for check in like)
    assert [c.name for c in worse] == [
        "loss of mIoU",
        "loss of IoU of road",
        "loss of IoU of car",
        "loss of IoU of person",
    ]
    assert [c.passed for c in worse] == [False, True, True, True]
    lost = scores_of(runs[0]).miou - scores_of(runs[2]).miou
    assert worse[0].value == pytest.approx(lost, abs=1e-5)
    assert "(worse); expected at most 0.000" in worse[0].sentence()


def test_a_loss_between_runs_without_truth_fails(tmp_path: Path, made: SimpleNamespace) -> None:
    masks = [np.zeros((2, 2), np.uint8)] * 3
    runs = [read_run(made.make(tmp_path / n, made.Made(masks))) for n in "ab"]

    [check] = loss_checks(Loss(miou=0.1), compare_runs(runs, Resampling(100)), 1)

    assert not check.passed
    assert "share no scored frame" in check.sentence()


def test_junit_has_a_case_for_each_threshold(tmp_path: Path) -> None:
    good, bad = (
        ThresholdCheck("mIoU", 0.7, 0.6),
        ThresholdCheck("IoU of <b>\x1b&", None, 0.5, why="no truth"),
    )

    path = tmp_path / "junit.xml"
    path.write_bytes(junit_xml({"a": [good, bad], "b": [good]}))

    root = ElementTree.parse(path).getroot()
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "3", "1")
    first, second = root
    assert (first.get("name"), first.get("tests"), first.get("failures")) == ("a", "2", "1")
    assert (second.get("name"), second.get("failures"), second.get("errors")) == ("b", "0", "0")
    passed, failed = first
    assert (passed.get("classname"), passed.get("name")) == ("segrgbx.a", "mIoU")
    assert passed.find("failure") is None
    assert failed.get("name") == "IoU of <b>\\x1b&"
    assert failed.find("failure").get("type") == "not measured"
    assert failed.find("failure").get("message") == bad.sentence().replace("\x1b", "\\x1b")
    _follows_the_schema(root)


# What junit-10.xsd of Jenkins' xunit plugin allows of the elements that we write.
_ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "disabled"},
    "testsuite": {
        *("name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp"),
        *("hostname", "id", "package", "file", "log", "url", "version"),
    },
    "testcase": {"name", "assertions", "time", "classname", "status", "class", "file", "line"},
    "failure": {"type", "message"},
    "system-out": set(),
}
_WITHIN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "system-out"},
}


def _follows_the_schema(element: ElementTree.Element) -> None:
    assert set(element.attrib) <= _ATTRIBUTES[element.tag]
    for inner in element:
        assert inner.tag in _WITHIN[element.tag]
        _follows_the_schema(inner)


def test_the_command_ends_with_one_and_the_row(
    tmp_path: Path, made: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _made(tmp_path, made).folder
    bounds, junit = tmp_path / "t.yaml", tmp_path / "junit.xml"
    given = ["compare", str(run), "--resamples", "100", "--fail-under", str(bounds)]
    bounds.write_text("{miou: 0.5, gain: 0.2}")

    assert main([*given, "--junit", str(junit)]) == 1

    said = capsys.readouterr()
    assert "FAILED" in said.out
    assert "segrgbx: t.yaml: mIoU is 0.375; expected at least 0.500." in said.err
    assert ElementTree.parse(junit).getroot().get("failures") == "1"
    bounds.write_text("{miou: 0.3, gain: 0.2}")
    assert main([*given, "--junit", str(junit)]) == 0
    assert ElementTree.parse(junit).getroot().get("failures") == "0"
    assert main([*given, "--json"]) == 0
    assert "passed" in capsys.readouterr().err


def test_what_junit_would_destroy_is_refused(
    tmp_path: Path, made: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _made(tmp_path, made).folder
    bounds = tmp_path / "t.yaml"
    bounds.write_text("miou: 0.1")
    given = ["compare", str(run), "--fail-under", str(bounds), "--junit"]

    assert main([*given, str(bounds)]) == 2
    assert "file of another kind" in capsys.readouterr().err
    assert bounds.read_text() == "miou: 0.1"
    assert main([*given, str(tmp_path / "no" / "junit.xml")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main(["compare", str(run), "--junit", str(tmp_path / "j.xml")]) == 2
    assert "give --fail-under too" in capsys.readouterr().err
