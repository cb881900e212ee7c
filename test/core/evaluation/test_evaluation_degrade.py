# SPDX-License-Identifier: Apache-2.0
"""Degraded X: what changes and by how much, and what must not change."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from segrgbx_core.datasets import FolderDataset, write_dataset
from segrgbx_core.datasets.samples import encoded
from segrgbx_core.encoding import encode
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.curves import Degrader
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.evaluation.degrade import KINDS, check_levels, degrading
from segrgbx_core.evaluation.protocol import Protocol
from segrgbx_core.evaluation.reading_noise import noise_unit, noisy
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.readings import (
    Events,
    LightFieldViews,
    Planes,
    PolarizationState,
    PolarizerImages,
)
from segrgbx_core.scenes.drive import Drive, DriveSettings
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel


def made(folder: Path, modality: str = "thermal", seconds: float = 1.6) -> FolderDataset:
    settings = DriveSettings(modality, seconds=seconds, rate_hz=5, width=64, height=48)
    write_dataset(Drive(settings), folder)
    return FolderDataset(folder)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> FolderDataset:
    return made(tmp_path_factory.mktemp("drive"))


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    model = build_model("b0", 11)
    with torch.no_grad():
        model.head.classifier.weight.mul_(400)
    card = ModelCard("untrained", "", model.config, ("thermal",), load_label_set("street"))
    return Segmenter(LoadedModel(model, card), "cpu", "float32")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_drop_leaves_out_that_share_and_more_of_the_same(drive: FolderDataset) -> None:
    made_worse = degrading(drive, "drop", (0, 0.25, 0.5, 1), 0)
    without = [
        {i for i in range(8) if made_worse.x_of(level)(i, drive[i]) is None}
        for level in (0, 0.25, 0.5, 1)
    ]
    assert [len(dropped) for dropped in without] == [0, 2, 4, 8]
    assert without[1] < without[2] < without[3]


def test_noise_has_the_asked_deviation_in_the_readings_own_numbers(drive: FolderDataset) -> None:
    spread = noise_unit(drive).value
    sample = drive[0]
    assert isinstance(sample.x, np.ndarray)
    noised = degrading(drive, "noise", (0, 0.1), 0).x_of(0.1)(0, sample)
    assert isinstance(noised, np.ndarray)
    assert noised.dtype == sample.x.dtype == np.uint16
    difference = noised.astype(float) - sample.x
    assert difference.std() == pytest.approx(0.1 * spread, rel=0.1)
    assert abs(difference.mean()) < 0.02 * spread


def test_noise_is_drawn_by_sample_and_grows_with_the_level(drive: FolderDataset) -> None:
    made_worse = degrading(drive, "noise", (0, 0.1, 0.2), 5)

    def change(level: float, index: int) -> np.ndarray:
        noised = made_worse.x_of(level)(index, drive[index])
        return np.asarray(noised, float) - np.asarray(drive[index].x, float)

    np.testing.assert_allclose(change(0.2, 1), 2 * change(0.1, 1), atol=2)
    assert np.abs(change(0.1, 0) - change(0.1, 1)).max() > 1
    other = degrading(drive, "noise", (0, 0.1), 6).x_of(0.1)(1, drive[1])
    assert (np.asarray(other) != np.asarray(made_worse.x_of(0.1)(1, drive[1]))).any()


@pytest.mark.parametrize("stored", [np.uint8, np.uint16, np.float32])
def test_depth_noise_grows_with_depth_and_keeps_holes(stored: type) -> None:
    depth = np.repeat(np.array([0, 40, 200], stored), 3000).reshape(3, 3000)
    noised = noisy(depth, "depth", 0.05, rng())
    assert isinstance(noised, np.ndarray)
    assert noised.dtype == stored
    assert (noised[0] == 0).all()
    assert (noised[1:] > 0).all()
    assert noised[1].std() == pytest.approx(2, rel=0.1)
    assert noised[2].std() == pytest.approx(10, rel=0.1)


def test_stray_events_come_on_top_and_inside_the_window() -> None:
    events = Events(
        np.array([3], np.uint16),
        np.array([2], np.uint16),
        np.array([True]),
        np.array([50], np.int64),
        16,
        12,
        0,
        100,
    )
    noised = noisy(events, "event", 500.0, rng())
    assert isinstance(noised, Events)
    assert len(noised) == 501
    assert (noised.x[0], noised.y[0], noised.t_ns[0]) == (3, 2, 50)
    assert noised.t_ns.min() >= 0
    assert noised.t_ns.max() < 100
    assert 0.4 < noised.polarity.mean() < 0.6
    # Spread evenly: each quarter of the sensor has about a quarter of the events.
    quarter = ((noised.x < 8) & (noised.y < 6)).mean()
    assert quarter == pytest.approx(0.25, abs=0.06)


def test_every_kind_of_reading_takes_noise_and_keeps_its_type() -> None:
    grey = np.full((20, 30), 100, np.uint8)
    views = LightFieldViews(np.stack([grey, grey]), np.array([0, 0]), np.array([0, 1]))
    noised_views = noisy(views, "light_field", 5.0, rng())
    assert isinstance(noised_views, LightFieldViews)
    assert noised_views.views.dtype == np.uint8
    assert noised_views.views.astype(float).std() == pytest.approx(5, rel=0.1)
    four = noisy(PolarizerImages(np.stack([grey] * 4)), "polarization", 5.0, rng())
    assert isinstance(four, PolarizerImages)
    assert four.intensity.astype(float).std() == pytest.approx(5, rel=0.1)
    planes = Planes(np.full((3, 20, 30), 0.5, np.float32), np.ones((20, 30), np.bool_))
    planes.valid[0] = False
    planes.data[:, 0] = 0
    noised = noisy(planes, "depth", 0.1, rng())
    assert isinstance(noised, Planes)
    assert (noised.data[:, 0] == 0).all()
    assert noised.data[:, 1:].std() == pytest.approx(0.1, rel=0.1)


def test_polarization_states_get_noise_in_their_plane_of_directions() -> None:
    state = PolarizationState(
        np.full((60, 60), 0.5, np.float32), np.full((60, 60), 0.3, np.float32)
    )
    noised = noisy(state, "polarization", 0.05, rng())
    assert isinstance(noised, PolarizationState)
    assert noised.dolp.mean() == pytest.approx(0.5, abs=0.01)
    along = noised.dolp * np.cos(2 * noised.aolp)
    assert along.std() == pytest.approx(0.05, rel=0.1)
    assert along.mean() == pytest.approx(0.5 * np.cos(0.6), abs=0.01)


@pytest.mark.parametrize("modality", ["event", "depth", "polarization", "light_field"])
def test_noise_reaches_the_planes_of_every_sensor(tmp_path: Path, modality: str) -> None:
    data = made(tmp_path, modality, seconds=0.4)
    clean = encoded(data, data[0])
    x = degrading(data, "noise", (0, 0.2), 0).x_of(0.2)(0, data[0])
    assert not isinstance(x, Planes)
    worse = encode(modality, x, data.settings)  # type: ignore[arg-type]
    assert worse.data.shape == clean.data.shape
    assert np.abs(worse.data - clean.data).mean() > 0.005


def test_a_shift_moves_the_planes_by_pixels_of_rgb(drive: FolderDataset) -> None:
    # X has half of RGB's pixels, so 8 pixels of RGB are 4 of X.
    sample, clean = drive[2], encoded(drive, drive[2])
    shifted = degrading(drive, "shift", (0, 8), 0).x_of(8)(2, sample)
    assert isinstance(shifted, Planes)
    angle = np.random.default_rng([0, 1, 2]).uniform(0, 2 * np.pi)
    right, down = 4 * np.cos(angle), 4 * np.sin(angle)
    assert clean.valid.all()
    lost = 1 - shifted.valid.mean()
    assert lost == pytest.approx(1 - (1 - abs(right) / 32) * (1 - abs(down) / 24), abs=0.05)
    best = min(
        (
            np.abs(np.roll(clean.data, (i, j), (1, 2)) - shifted.data)[:, shifted.valid].mean(),
            (i, j),
        )
        for i in range(-5, 6)
        for j in range(-5, 6)
    )
    assert best[1] == (round(down), round(right))


def test_a_shift_over_half_of_the_image_is_refused(drive: FolderDataset) -> None:
    with pytest.raises(InputError, match=r"shifted by 30 pixels .*64x48"):
        degrading(drive, "shift", (0, 30), 0).x_of(30)(0, drive[0])


def test_a_delay_gives_the_x_of_an_earlier_frame(drive: FolderDataset) -> None:
    late = degrading(drive, "delay", (0, 2, 3), 0)
    assert late.indices == (3, 4, 5, 6, 7)
    late_x = late.x_of(2)(5, drive[5])
    np.testing.assert_array_equal(np.asarray(late_x), np.asarray(drive[3].x))
    np.testing.assert_array_equal(np.asarray(late.x_of(0)(5, drive[5])), np.asarray(drive[5].x))


def test_a_delay_of_single_shots_is_refused_in_words(tmp_path: Path) -> None:
    made(tmp_path, seconds=0.6)
    manifest = yaml.safe_load((tmp_path / "dataset.yaml").read_text())
    del manifest["video"]
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(InputError, match=r"names none; .*`video: true`"):
        degrading(FolderDataset(tmp_path), "delay", (0, 1), 0)


def test_a_delay_beyond_the_video_is_refused_in_words(drive: FolderDataset) -> None:
    with pytest.raises(InputError, match=r"delayed by 8 frames: .*longest video .* 8"):
        degrading(drive, "delay", (0, 8), 0)


@pytest.mark.parametrize(
    ("kind", "levels", "words"),
    [
        ("blur", (0, 1), "'blur'; .*drop, noise, shift, delay"),
        ("drop", (0, 1.5), r"drop .*level 1\.5; .*0 to 1"),
        ("noise", (-0.1, 0), r"noise .*level -0\.1; .*from 0"),
        ("noise", (0, float("nan")), "level nan"),
        ("delay", (0, 0.5), r"delay .*level 0\.5; .*whole numbers from 0"),
        ("shift", (4,), "1 different levels; .*two"),
        ("shift", (4, 4), "1 different levels"),
    ],
)
def test_levels_that_make_no_sense_are_refused(
    kind: str, levels: tuple[float, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        check_levels(kind, levels)


def test_the_default_levels_are_fine_and_start_clean() -> None:
    for name, kind in KINDS.items():
        check_levels(name, kind.levels)
        assert kind.levels[0] == 0


def test_a_curve_runs_from_clean_x_to_none(drive: FolderDataset, segmenter: Segmenter) -> None:
    clean = evaluate(segmenter, drive)
    calls: list[int] = []
    curve = Degrader(segmenter, drive, Protocol(), clean).curve(
        "drop", (1, 0), lambda: calls.append(1)
    )
    assert curve.levels == (0, 1)
    assert curve.scores[0] is clean
    alone = evaluate(segmenter, drive, use_x=False)
    assert curve.scores[1].overall.miou == alone.overall.miou == curve.rgb_alone.overall.miou
    assert curve.scores[0].overall.miou != alone.overall.miou
    assert len(calls) == 3 * len(drive)


def test_all_levels_of_a_delay_are_scored_on_the_same_frames(
    drive: FolderDataset, segmenter: Segmenter
) -> None:
    clean = evaluate(segmenter, drive)
    curve = Degrader(segmenter, drive, Protocol(), clean).curve("delay", (0, 2))
    scored = [{frame.index for frame in scores.frames} for scores in curve.scores]
    assert scored == [{2, 3, 4, 5, 6, 7}] * 2
    assert curve.rgb_alone.overall.frames == 6
