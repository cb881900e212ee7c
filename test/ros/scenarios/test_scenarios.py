# SPDX-License-Identifier: Apache-2.0
"""Replays of one recording with a growing fault of X: each fault, and the curve."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core import Segmenter, build_model
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.reading_noise import NoiseMeter
from segrgbx_core.geometry.calibration import read_extrinsic
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.readings import Planes, Reading
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_core.sensor import CameraFiles, SensorSettings
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import write_drive_bag
from segrgbx_ros.bags.topics import find_topics
from segrgbx_ros.cli import main
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.options import ReplayOptions, TruthOptions
from segrgbx_ros.replay.summary import read_summary
from segrgbx_ros.scenarios.kinds import SCENARIOS, Scenario
from segrgbx_ros.scenarios.noise import MeteredReadings, Noisy
from segrgbx_ros.scenarios.run import run_scenario
from segrgbx_ros.scenarios.stream import dropped, late
from segrgbx_ros.scenarios.turning import Seen, seen, turned

SECOND = 1_000_000_000
SETTINGS = DriveSettings(seconds=0.6, rate_hz=10.0, width=64, height=48, conditions=("day",))


@pytest.fixture(scope="session")
def thermal_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels, folder = load_label_set("street"), tmp_path_factory.mktemp("scenario") / "tiny"
    torch.manual_seed(4)
    model = build_model("b0", len(labels))
    sensors = ("thermal", "depth", "event")
    save_model(folder, model, ModelCard("tiny", "untrained", model.config, sensors, labels))
    return folder


@pytest.fixture(scope="session")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short drive for each of three sensors."""
    folder = tmp_path_factory.mktemp("drives")
    for modality in ("thermal", "depth", "event"):
        write_drive_bag(Drive(replace(SETTINGS, modality=modality)), folder / modality)
    return folder


def at(seconds: float, topic: str = "/x") -> BagMessage:
    return BagMessage(topic, "any", round(seconds * SECOND), b"")


def stream(seconds: float, rate: int = 10) -> Iterator[BagMessage]:
    for k in range(round(seconds * rate)):
        yield at(k / rate, "/rgb")
        yield at(k / rate + 0.01)


def test_dropping_loses_spans_of_x_and_nothing_else() -> None:
    kept = {
        share: list(dropped("/x", share, 40.0, 3)(stream(40.0))) for share in (0.0, 0.25, 0.5, 1.0)
    }
    for share, messages in kept.items():
        assert sum(m.topic == "/rgb" for m in messages) == 400
        x = [m.log_time_ns for m in messages if m.topic == "/x"]
        assert len(x) == pytest.approx(400 * (1 - share), abs=8)
    lost = {share: set(kept[0.0]) - set(messages) for share, messages in kept.items()}
    assert lost[0.25] < lost[0.5] < lost[1.0]
    times = sorted(m.log_time_ns / SECOND for m in lost[0.25])
    starts = [a for a, b in zip([-9.0, *times], times, strict=False) if b - a > 0.15]
    assert len(starts) <= 10, "the losses are spans, not single messages"


def test_a_late_message_arrives_later_with_its_stamp_and_in_order() -> None:
    messages = [at(0.0, "/rgb"), at(0.01), at(0.1, "/rgb"), at(0.11), at(0.2, "/rgb")]
    done = list(late("/x", 0.15)(iter(messages)))
    assert [(m.topic, m.log_time_ns) for m in done] == [
        ("/rgb", 0),
        ("/rgb", 100_000_000),
        ("/x", 160_000_000),
        ("/rgb", 200_000_000),
        ("/x", 260_000_000),
    ]


class Kept:
    """An encoder that keeps the readings it is given."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        self.readings.append(reading)
        return Planes(np.zeros((3, *rgb_size), np.float32), np.ones(rgb_size, np.bool_))

    def reset(self) -> None:
        self.readings.clear()


def test_noise_is_measured_in_the_range_of_the_readings_and_the_same_at_each_level() -> None:
    meter, plain = NoiseMeter("thermal"), Kept()
    ramp = np.linspace(20000, 30000, 10201).reshape(101, 101).round().astype(np.uint16)
    MeteredReadings(plain, meter)(ramp, (8, 8))
    assert plain.readings[0] is ramp
    assert meter.unit.value == pytest.approx(9800, abs=1)
    spoiled = {}
    for level in (0.01, 0.02):
        kept = Kept()
        Noisy(kept, "thermal", level * meter.unit.value, 5)(ramp, (8, 8))
        spoiled[level] = np.asarray(kept.readings[0]).astype(float) - ramp
    assert spoiled[0.01].std() == pytest.approx(98, rel=0.03)
    np.testing.assert_allclose(spoiled[0.02], 2 * spoiled[0.01], atol=1.01)


def options_of(drives: Path, modality: str, out: Path) -> ReplayOptions:
    return ReplayOptions(drives / modality, modality, out, fit_slop=True)


def start_of(options: ReplayOptions) -> Seen:
    with BagReader(options.bag) as bag:
        return seen(options, bag, find_topics(bag, options.modality))


def moved(options: ReplayOptions, x: float, y: float) -> list[float]:
    assert options.sensor.align == "homography"
    matrix = np.reshape(np.array(options.sensor.homography), (3, 3))
    u, v, w = matrix @ (x, y, 1.0)
    return [float(u / w), float(v / w)]


@pytest.mark.parametrize("modality", ["thermal", "event"])
def test_aligned_x_is_turned_about_its_middle(tmp_path: Path, drives: Path, modality: str) -> None:
    """X is 32x24 and RGB 64x48, so that the X pixel (15.5, 11.5) is RGB's (31.5, 23.5)."""
    options = options_of(drives, modality, tmp_path)
    start = start_of(options)
    quarter = turned(options, start, 90.0, tmp_path / "none.yaml")
    assert moved(quarter, 15.5, 11.5) == pytest.approx([31.5, 23.5])
    assert moved(quarter, 16.5, 11.5) == pytest.approx([31.5, 25.5])
    assert moved(turned(options, start, 0.0, tmp_path), 0, 0) == pytest.approx([0.5, 0.5])


def test_a_homography_that_was_given_is_turned(tmp_path: Path, drives: Path) -> None:
    matrix = (2.0, 0.0, 10.0, 0.0, 2.0, 20.0, 0.0, 0.0, 1.0)
    sensor = SensorSettings(align="homography", homography=matrix)
    options = replace(options_of(drives, "thermal", tmp_path), sensor=sensor)
    half = turned(options, start_of(options), 180.0, tmp_path / "none.yaml")
    assert moved(half, 16.5, 11.5) == pytest.approx([2 * 14.5 + 10, 2 * 11.5 + 20])


def test_reprojected_depth_has_its_extrinsic_turned(tmp_path: Path, drives: Path) -> None:
    extrinsic = tmp_path / "extrinsic.yaml"
    extrinsic.write_text("translation: [0.1, 0, 0]\nrotation: [0, 0, 0, 1]\n")
    options = replace(
        options_of(drives, "depth", tmp_path),
        sensor=SensorSettings(align="reproject"),
        cameras=CameraFiles(extrinsic=extrinsic),
    )
    file = tmp_path / "turned.yaml"
    done = turned(options, start_of(options), 90.0, file)
    assert done.cameras.extrinsic == file
    wanted = [[0, -1, 0, 0.1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(read_extrinsic(file), wanted, atol=1e-9)


def test_without_any_x_the_curve_ends_at_rgb_alone(
    tmp_path: Path, drives: Path, thermal_model: Path
) -> None:
    segmenter = Segmenter(thermal_model, "cpu", backend="eager")
    options = options_of(drives, "thermal", tmp_path / "out")
    result = run_scenario(options, Scenario("dropped", (0, 1)), segmenter)
    curve = result.curve
    assert list(curve.miou) == ["all", "day"]
    with_x, without = curve.miou["all"]
    assert without == curve.rgb_alone_miou
    assert with_x != without
    assert curve.frames == 6
    assert result.settings == {"missing_x": "rgb_only"}
    last = read_summary(tmp_path / "out" / "dropped_1")
    assert last.frames.segmented == last.frames.rgb_in == 6
    assert last.frames.paired == 0
    assert last.rgb_alone is None, "scored once, at level 0"


def test_shifted_stamps_are_those_of_the_offset(
    tmp_path: Path, drives: Path, thermal_model: Path
) -> None:
    segmenter = Segmenter(thermal_model, "cpu", backend="eager")
    sync = SyncSettings(slop_s=0.02, missing_x="hold_last", x_time_offset_s=-0.3)
    options = replace(
        options_of(drives, "thermal", tmp_path / "out"),
        sync=sync,
        fit_slop=False,
        truth=TruthOptions(rgb_alone=False),
    )
    result = run_scenario(options, Scenario("shifted", (0, 0.3)), segmenter)
    assert result.settings == {}
    assert result.curve.rgb_alone_miou is None
    paired = [read_summary(tmp_path / "out" / name).frames.paired for name in result.folders]
    assert paired[0] < paired[1]


def test_late_x_is_given_up_as_live(tmp_path: Path, drives: Path, thermal_model: Path) -> None:
    segmenter = Segmenter(thermal_model, "cpu", backend="eager")
    options = options_of(drives, "thermal", tmp_path / "out")
    result = run_scenario(options, Scenario("late", (0, 0.3)), segmenter)
    assert result.settings == {"missing_x": "rgb_only", "x_timeout_s": 0.1}
    assert result.curve.miou["all"][1] == result.curve.rgb_alone_miou


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("noisy", SCENARIOS["noisy"].levels),
        ("late=0.3,0.1", (0.0, 0.1, 0.3)),
        ("dropped=0,1", (0, 1)),
    ],
)
def test_levels_begin_with_the_recording_as_it_is(text: str, levels: tuple[float, ...]) -> None:
    assert Scenario.from_text(text).levels == levels


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foggy", r"'foggy' is unknown; expected one of dropped, late, shifted, noisy, turned"),
        ("dropped=1.5", r"level 1\.5; expected from 0 to 1"),
        ("late=-1", r"level -1; expected from 0"),
        ("noisy=much", r"'noisy=much' has levels that are no numbers"),
        ("noisy=0", r"given 1 different levels"),
        ("late=nan", r"level nan"),
    ],
)
def test_a_bad_scenario_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Scenario.from_text(text)


def test_no_truth_and_no_x_are_refused(tmp_path: Path, drives: Path, thermal_model: Path) -> None:
    segmenter = Segmenter(thermal_model, "cpu", backend="eager")
    options = options_of(drives, "thermal", tmp_path / "out")
    scenario = Scenario("late", (0, 1))
    with pytest.raises(InputError, match=r"no ground truth.*--gt-topic"):
        run_scenario(replace(options, gt_topic="none"), scenario, segmenter)
    alone = replace(options, modality="none", out=tmp_path / "other")
    with pytest.raises(InputError, match="modality none has none"):
        run_scenario(alone, scenario, segmenter)


def test_the_command_writes_the_levels_and_the_curve(
    tmp_path: Path, drives: Path, thermal_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    call = ["replay", str(drives / "thermal"), "--modality", "thermal", "--out", str(out)]
    model = ["--model", str(thermal_model), "--device", "cpu", "--backend", "eager"]
    assert main([*call, *model, "--scenario", "noisy=0.5"]) == 0
    said = capsys.readouterr()
    assert "X noisy: standard deviation over X's usual range" in said.out
    assert "scenario noisy sets missing_x to rgb_only" in said.err
    written = json.loads((out / "scenario.json").read_text())
    assert written["folders"] == ["noisy_0", "noisy_0.5"]
    assert len(written["curve"]["miou"]["all"]) == 2
    assert "in the reading's numbers" in written["curve"]["unit"]
    assert (out / "scenario.png").stat().st_size > 1000
    for name in written["folders"]:
        assert (out / name / "report.html").is_file()
    assert main([*call, *model, "--scenario", "noisy"]) == 2
    assert "already holds files" in capsys.readouterr().err
    assert main([*call, "--scenario", "noisy", "--resume"]) == 2
    assert "--resume goes on with one" in capsys.readouterr().err
    limits = tmp_path / "limits.yaml"
    limits.write_text("miou: 0.1\n")
    assert main([*call, "--scenario", "noisy", "--fail-under", str(limits)]) == 2
    assert "--fail-under is for the scores of one replay" in capsys.readouterr().err
