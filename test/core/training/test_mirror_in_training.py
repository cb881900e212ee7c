# SPDX-License-Identifier: Apache-2.0
"""A flipped sample equals the sensor's image of the mirrored scene."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core.datasets import FolderDataset
from segrgbx_core.datasets.writing import finish_folder, start_folder
from segrgbx_core.files.images import write_png
from segrgbx_core.model.ma_clip import MaClip
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.training.augment import TrainingBatches
from segrgbx_core.training.clip.stage import clip_batches
from segrgbx_core.training.mixture import Mixture
from segrgbx_core.training.recipe import Augment

PLAIN = Preprocessing(x_mean=(0.0, 0.0, 0.0), x_std=(1.0, 1.0, 1.0))


@pytest.fixture
def slanted(tmp_path: Path) -> FolderDataset:
    """Light polarized at 45 degrees on the left half, where labels are 1, and not on the right."""
    start_folder(tmp_path)
    # The superpixel reads 90, 45, 135 and 0 degrees: all of it at 45, none at 135.
    left = np.tile(np.array([[100, 200], [0, 100]], np.uint8), (32, 32))
    right = np.full((64, 64), 100, np.uint8)
    labels = np.zeros((64, 128), np.uint8)
    labels[:, :64] = 1
    write_png(tmp_path / "x" / "a.png", np.concatenate([left, right], 1))
    write_png(tmp_path / "rgb" / "a.png", np.zeros((64, 128, 3), np.uint8))
    write_png(tmp_path / "labels" / "a.png", labels)
    finish_folder(tmp_path, "polarization", "street", {})
    return FolderDataset(tmp_path)


@pytest.mark.parametrize(("flip", "sine"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_flip_turns_the_angle_of_polarization(
    slanted: FolderDataset, flip: float, sine: float
) -> None:
    augment = Augment(
        crop=(64, 128), area=(1.0, 1.0), flip=flip, x_noise=0.0, x_shift=0, x_dropout=0.0
    )
    mixture = Mixture([1], ["polarization"], [1.0], 0)
    batches = TrainingBatches([slanted], mixture, augment, PLAIN, seed=0)
    for step in range(8):
        batch = batches.batch(step, 1)
        polarized, strength, direction = batch.labels[0] == 1, batch.x[0, 0], batch.x[0, 1]
        assert polarized.any()
        seen = strength > 0.85
        assert (seen & polarized).any()
        # A gain of up to 10 % about 0.5 is drawn for every sample.
        torch.testing.assert_close(
            direction[seen & polarized].mean(), torch.tensor(sine), atol=0.07, rtol=0
        )


def test_the_tower_is_tuned_on_turned_angles(slanted: FolderDataset) -> None:
    mixture, clip = Mixture([1], ["polarization"], [1.0], 0), MaClip()
    batches = clip_batches([slanted], mixture, PLAIN, clip, 8, seed=1)
    flips = set()
    for batch in islice(batches, 2):
        for image in batch.x:
            flipped = bool(image[0, :, -8:].mean() > 0.5)
            polarized = image[1, 32:-32, -8:] if flipped else image[1, 32:-32, :8]
            assert float(polarized.mean()) == pytest.approx(0.0 if flipped else 1.0, abs=0.05)
            flips.add(flipped)
    assert flips == {True, False}
