# SPDX-License-Identifier: Apache-2.0
"""`augment.later`, `x_wrong`, `x_late`, `x_raw`, `x_raw_noise` and `optimiser.encoder_rate`."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segrgbx_core.datasets import (
    DatasetOptions,
    FolderDataset,
    LabelledPairs,
    Skipping,
    open_dataset,
    render_stills,
)
from segrgbx_core.datasets.writing import finish_folder, start_folder, write_pair
from segrgbx_core.encoding import DepthSettings, encode
from segrgbx_core.encoding.depth.faults import worn
from segrgbx_core.encoding.depth.metres import depth_in_metres
from segrgbx_core.errors import RecipeError
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import train
from segrgbx_core.training.augment import TrainingBatches, of_another_moment
from segrgbx_core.training.mixture import Mixture
from segrgbx_core.training.recipe import Augment, AugmentStage, load_recipe
from segrgbx_core.training.run import check_recipe
from segrgbx_core.weights.store import load_model

AS_IT_IS = Augment(
    crop=(48, 64), area=(1.0, 1.0), flip=0.0, jitter=0.0, x_noise=0.0, x_shift=0, x_dropout=0.0
)
RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 11}}
data:
  train: {{folder: {data}}}
  validation: {{folder: {data}}}
augment: {{crop: [64, 64], later: {later}}}
optimiser: {{steps: 2, batch: 2, encoder_rate: {rate}, warm_up: 1, validate_every: 2}}
short_side: 64
"""


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> FolderDataset:
    """Depth of three streets."""
    folder = tmp_path_factory.mktemp("streets")
    render_stills(folder, DriveSettings("depth", width=64, height=48, conditions=("day",)), 3)
    return FolderDataset(folder)


def _batches(data: LabelledPairs, augment: Augment, steps: int = 1) -> TrainingBatches:
    mixture = Mixture([len(data)], [data.modality], [1.0], 0)
    return TrainingBatches([data], mixture, augment, Preprocessing(), 3, steps)


def _lone_pair(folder: Path, x: np.ndarray[tuple[int, int], np.dtype[np.uint16]]) -> FolderDataset:
    """One evenly grey image with this thermal X."""
    start_folder(folder)
    write_pair(folder, "a", np.full((*x.shape, 3), 90, np.uint8), x, np.zeros(x.shape, np.uint8))
    finish_folder(folder, "thermal", "street", {})
    return FolderDataset(folder)


def _recipe(tmp_path: Path, data: FolderDataset, later: str = "[]", rate: float = 1.0) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(data=data.folder, later=later, rate=rate))
    return path


def test_later_values_hold_from_their_share_of_the_steps(streets: FolderDataset) -> None:
    later = (AugmentStage(0.25, crop=(32, 64)), AugmentStage(0.5, x_dropout=1.0))
    batches = _batches(streets, replace(AS_IT_IS, later=later), steps=8)
    assert batches.begins == (0, 2, 4)
    sizes = [tuple(batches.batch(step, 2).rgb.shape[2:]) for step in (0, 1, 2, 7)]
    assert sizes == [(48, 64), (48, 64), (32, 64), (32, 64)]
    assert [bool(batches.batch(step, 2).present.all()) for step in (3, 4)] == [True, False]


def test_stages_out_of_order_are_refused(tmp_path: Path, streets: FolderDataset) -> None:
    later = "[{after: 0.5, crop: [32, 32]}, {after: 0.2, rgb_dark: 0.1}]"
    with pytest.raises(RecipeError, match=r"begins after 0\.5, 0\.2; expected rising shares"):
        load_recipe(_recipe(tmp_path, streets, later))
    with pytest.raises(RecipeError, match=r"augment\.crop is 8; expected 32 to 4096"):
        load_recipe(_recipe(tmp_path, streets, "[{after: 0.5, crop: [8, 32]}]"))


def test_the_check_counts_each_stage_at_its_own_speed(
    tmp_path: Path, streets: FolderDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segrgbx_core.training.run._step_seconds", lambda *_: 3600.0)
    path = _recipe(tmp_path, streets, "[{after: 0.5, crop: [32, 32]}]")
    outcome = check_recipe(path, "cpu", steps=1)
    assert outcome.training_hours == pytest.approx(1.0, abs=0.1)


def test_a_wrong_x_leaves_rgb_and_labels(streets: FolderDataset) -> None:
    right = _batches(streets, AS_IT_IS).batch(0, 24)
    wrong = _batches(streets, replace(AS_IT_IS, x_wrong=1.0, rgb_dark=1.0)).batch(0, 24)
    # The crop's ratio is drawn after X, so that edges may move by a pixel.
    assert (right.labels == wrong.labels).float().mean() > 0.9
    # No RGB is darkened, since X cannot stand in for it.
    assert (wrong.rgb.mean((1, 2, 3)) - right.rgb.mean((1, 2, 3))).abs().max() < 0.05
    apart = [float((a - b).abs().mean()) for a, b in zip(right.x, wrong.x, strict=True)]
    assert min(apart) > 0.02


def test_worn_depth_has_holes_and_noise_but_the_same_scene() -> None:
    clean = np.full((120, 160), 3.0, np.float32)
    clean[30:90, 50:100] = 1.2
    shares = []
    for seed in range(40):
        depth = worn(clean, seed)
        holes = np.isnan(depth)
        shares.append(float(holes.mean()))
        assert not np.isnan(clean).any()
        if not holes.all():
            np.testing.assert_allclose(depth[~holes], clean[~holes], atol=0.25)
    assert min(shares) == 0.0
    assert 0.05 < float(np.mean(shares)) < 0.5
    assert np.array_equal(worn(clean, 7), worn(clean, 7), equal_nan=True)


def test_the_shadow_lies_beside_the_near_object() -> None:
    clean = np.full((60, 80), 4.0, np.float32)
    clean[:, 30:50] = 1.0
    lost = np.mean([np.isnan(worn(clean, seed)) for seed in range(60)], axis=(0, 1))
    edges = lost[26:34].max() + lost[46:54].max()
    assert edges > 2 * (lost[:8].mean() + lost[-8:].mean())


@pytest.fixture
def rooms(tmp_path: Path) -> FolderDataset:
    """A room in depth of millimetres: a box before a wall."""
    start_folder(tmp_path)
    depth = np.full((48, 64), 3000, np.uint16)
    depth[12:36, 20:40] = 1200
    rgb, labels = np.full((48, 64, 3), 90, np.uint8), np.zeros((48, 64), np.uint8)
    for stem in ("a", "b"):
        write_pair(tmp_path, stem, rgb, depth, labels)
    finish_folder(tmp_path, "depth", "street", {})
    return FolderDataset(tmp_path)


@pytest.mark.parametrize("skipping", [False, True])
def test_raw_faults_make_holes_in_depth(rooms: FolderDataset, skipping: bool) -> None:
    data = Skipping(rooms) if skipping else rooms  # trainings read through Skipping
    clean = _batches(data, AS_IT_IS).batch(0, 12)
    faulty = _batches(data, replace(AS_IT_IS, x_raw=1.0)).batch(0, 12)
    holes = [(batch.x == 0).all(1).float().mean() for batch in (clean, faulty)]
    assert holes[0] == 0
    assert holes[1] > 0.02
    assert (clean.labels == faulty.labels).float().mean() > 0.9


def test_a_late_x_is_larger_or_smaller_and_fills_the_image(tmp_path: Path) -> None:
    """A square in the middle, whose size tells how much X was enlarged."""
    x = np.full((96, 128), 8000, np.uint16)
    x[36:60, 52:76] = 12000
    augment = replace(AS_IT_IS, crop=(96, 128))
    data = _lone_pair(tmp_path, x)
    right = _batches(data, augment).batch(0, 40)
    late = _batches(data, replace(augment, x_late=1.0, rgb_dark=1.0)).batch(0, 40)
    assert torch.equal(right.labels, late.labels)
    assert (late.rgb.mean((1, 2, 3)) - right.rgb.mean((1, 2, 3))).abs().max() < 0.05
    middle = (right.x.amax((1, 2, 3)) + right.x.amin((1, 2, 3)))[:, None, None] / 2
    sides = [(batch.x[:, 0] > middle).float().sum((1, 2)).sqrt() for batch in (right, late)]
    grown = sides[1] / sides[0]
    assert float(grown.min()) < 0.8
    assert float(grown.max()) > 1.25
    assert bool(((grown > 0.67) & (grown < 1.5)).all())
    # Mirrored at the border, so that no hole tells a late X from a good one.
    assert bool((late.x[:, 0, 0, 0] == late.x[:, 0, -1, -1]).all())
    assert bool((late.x[:, :, ::95, ::127] != 0).any(1).all())


def test_holes_stay_holes_in_a_late_x(rooms: FolderDataset) -> None:
    sample = rooms[0]
    assert isinstance(sample.x, np.ndarray)
    holed = sample.x.copy()
    holed[:, :32] = 0
    planes = encode("depth", holed, DepthSettings())
    data, valid = torch.from_numpy(planes.data)[None], torch.from_numpy(planes.valid)[None]
    for seed in range(8):
        torch.manual_seed(seed)
        moved, kept = of_another_moment(data, valid)
        assert bool((moved[:, :, ~kept[0]] == 0).all())
        assert 0.2 < float(kept.float().mean()) < 0.8
        assert float(moved.max()) <= float(data.max()) + 1e-5
        # A hole's zeros do not darken what lies beside it.
        lowest = data.amin((0, 1))[valid[0]].min()
        assert float(moved.amin((0, 1))[kept[0]].min()) >= float(lowest) - 1e-5


def test_raw_noise_is_added_before_the_encoding(tmp_path: Path) -> None:
    """Noise of equal size on the four polarizers tells most where little light is."""
    settings = DriveSettings("polarization", width=64, height=48, conditions=("day",))
    render_stills(tmp_path, settings, 2)
    data = FolderDataset(tmp_path)
    clean = _batches(data, AS_IT_IS).batch(0, 16)
    noisy = _batches(data, replace(AS_IT_IS, x_raw_noise=1.0)).batch(0, 16)
    assert (clean.labels == noisy.labels).float().mean() > 0.9
    apart = [float((a - b).abs().mean()) for a, b in zip(clean.x, noisy.x, strict=True)]
    assert max(apart) > 0.3
    assert min(apart) < 0.2


@pytest.mark.parametrize("share", ["x_late", "x_raw_noise"])
def test_a_share_is_refused_above_one(tmp_path: Path, streets: FolderDataset, share: str) -> None:
    later = f"[{{after: 0.5, {share}: 1.5}}]"
    with pytest.raises(RecipeError, match=rf"augment\.{share} is 1\.5; expected 0\.0 to 1\.0"):
        load_recipe(_recipe(tmp_path, streets, later))


def test_streets_are_beyond_the_reach_of_such_a_camera(streets: FolderDataset) -> None:
    sample = streets[0]
    assert isinstance(sample.x, np.ndarray)
    metres = depth_in_metres(sample.x, DepthSettings())
    assert (metres[np.isfinite(metres)] > 10).mean() > 0.1
    assert all(worn(metres, seed) is metres for seed in range(4))


def test_another_samples_x_may_have_another_shape(tmp_path: Path) -> None:
    start_folder(tmp_path)
    for stem, size in (("a", (48, 64)), ("b", (64, 48))):
        rgb, x = np.zeros((*size, 3), np.uint8), np.full(size, 9000, np.uint16)
        write_pair(tmp_path, stem, rgb, x, np.zeros(size, np.uint8))
    finish_folder(tmp_path, "thermal", "street", {})
    batches = _batches(FolderDataset(tmp_path), replace(AS_IT_IS, x_wrong=1.0))
    assert batches.batch(0, 24).x.shape == (24, 3, 48, 64)


def test_the_only_sample_of_a_source_never_counts_as_a_useless_x(tmp_path: Path) -> None:
    """Where no other sample has an X to give, one is taken from afar instead."""
    x = np.random.default_rng(1).integers(8000, 12000, (96, 128)).astype(np.uint16)
    augment = replace(AS_IT_IS, crop=(96, 128))
    data = _lone_pair(tmp_path, x)
    right = _batches(data, augment).batch(0, 24)
    wrong = _batches(data, replace(augment, x_wrong=1.0, rgb_dark=1.0)).batch(0, 24)
    apart = (right.x - wrong.x).abs().mean((1, 2, 3))
    assert float(apart.min()) > 0.05


def test_raw_noise_reaches_pictures_that_are_encoded_already(tmp_path: Path) -> None:
    """Such as HHA, which `evaluate --degrade noise` reaches, too."""
    ramp = np.linspace(20, 230, 48 * 64).reshape(48, 64).astype(np.uint8)
    for kind, ending, picture in (
        ("RGB", "jpg", np.full((48, 64, 3), 90, np.uint8)),
        ("HHA", "png", np.stack([ramp] * 3, 2)),
        ("Label", "png", np.ones((48, 64), np.uint8)),
    ):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / f"1.{ending}"), picture)
    (tmp_path / "train.txt").write_text("1\n")
    data = open_dataset("nyu_depth_v2", tmp_path, "train", DatasetOptions(x="hha"))
    clean = _batches(data, AS_IT_IS).batch(0, 8)
    noisy = _batches(data, replace(AS_IT_IS, x_raw_noise=1.0)).batch(0, 8)
    assert float((clean.x - noisy.x).abs().mean((1, 2, 3)).max()) > 0.1


def test_a_rate_of_zero_keeps_the_encoder(tmp_path: Path, streets: FolderDataset) -> None:
    both = []
    for rate, name in ((0.0, "kept"), (1.0, "learnt")):
        train(_recipe(tmp_path, streets, rate=rate), tmp_path / name)
        both.append(load_model(tmp_path / name / "model").model)
    names = [n for n, _ in both[0].named_parameters() if n.startswith("encoder.")]
    kept, learnt = (dict(model.named_parameters()) for model in both)
    apart = [n for n in names if not torch.equal(kept[n], learnt[n])]
    assert len(apart) > len(names) // 2
    torch.manual_seed(5)
    fresh = type(both[0])(both[0].config)
    for name, value in fresh.named_parameters():
        same = torch.equal(value.half().float(), kept[name])
        assert same or not name.startswith("encoder."), name


def test_x_counts_as_used_if_a_later_stage_trains_with_it() -> None:
    alone = replace(AS_IT_IS, x_dropout=1.0)
    assert not alone.uses_x
    assert replace(alone, later=(AugmentStage(0.5, x_dropout=0.1),)).uses_x
    assert replace(AS_IT_IS, later=(AugmentStage(0.5, x_dropout=1.0),)).uses_x
