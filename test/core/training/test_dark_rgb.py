# SPDX-License-Identifier: Apache-2.0
"""`augment.rgb_dark`: RGB of some samples is darkened, so the model must use X."""

from dataclasses import replace

import pytest
import torch

from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training.augment import Batch, TrainingBatches, darkened
from segrgbx_core.training.mixture import Mixture
from segrgbx_core.training.recipe import Augment

AS_IT_IS = Augment(
    crop=(48, 64), area=(1.0, 1.0), flip=0.0, jitter=0.0, x_noise=0.0, x_shift=0, x_dropout=0.0
)
COUNT = 12


@pytest.fixture(scope="module")
def by_day(tmp_path_factory: pytest.TempPathFactory) -> FolderDataset:
    folder = tmp_path_factory.mktemp("by_day")
    render_stills(folder, DriveSettings(width=64, height=48, conditions=("day",)), 1)
    return FolderDataset(folder)


def _batch(data: FolderDataset, augment: Augment) -> Batch:
    plain = Preprocessing(rgb_mean=(0.0, 0.0, 0.0), rgb_std=(1.0, 1.0, 1.0))
    mixture = Mixture([1], [data.modality], [1.0], 0)
    return TrainingBatches([data], mixture, augment, plain, seed=3).batch(0, COUNT)


def test_a_darkened_image_has_less_light_and_some_noise() -> None:
    torch.manual_seed(0)
    grey = torch.full((3, 64, 64), 200, dtype=torch.uint8)
    for _ in range(20):
        dark = darkened(grey)
        assert dark.dtype == torch.uint8
        assert dark.float().mean() < 110
        assert 0.5 < dark.float().std() < 0.05 * 255 + 1


def test_it_changes_rgb_alone(by_day: FolderDataset) -> None:
    plain, dark = _batch(by_day, AS_IT_IS), _batch(by_day, replace(AS_IT_IS, rgb_dark=1.0))
    assert (dark.rgb.mean((1, 2, 3)) < 0.7 * plain.rgb.mean((1, 2, 3))).all()
    assert torch.equal(dark.x, plain.x)
    assert torch.equal(dark.labels, plain.labels)


def test_the_share_is_of_the_samples_with_x(by_day: FolderDataset) -> None:
    plain = _batch(by_day, AS_IT_IS)
    half = _batch(by_day, replace(AS_IT_IS, rgb_dark=0.5))
    changed = [not torch.equal(a, b) for a, b in zip(half.rgb, plain.rgb, strict=True)]
    assert 2 <= sum(changed) <= COUNT - 2
    without_x = replace(AS_IT_IS, x_dropout=1.0)
    alone = _batch(by_day, replace(without_x, rgb_dark=1.0))
    assert torch.equal(alone.rgb, _batch(by_day, without_x).rgb)
