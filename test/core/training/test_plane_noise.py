# SPDX-License-Identifier: Apache-2.0
"""What each sensor's noise changes, and what it must not change."""

import pytest
import torch

from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES
from segrgbx_core.training.augment import disturbed


def _grey() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((3, 64, 64), 0.5), torch.ones(64, 64, dtype=torch.bool)


def _runs(modality: str, most: float = 0.03) -> list[tuple[torch.Tensor, torch.Tensor]]:
    runs = []
    for seed in range(20):
        torch.manual_seed(seed)
        runs.append(disturbed(*_grey(), modality, most))
    return runs


def test_an_unknown_sensor_is_refused() -> None:
    with pytest.raises(InputError, match="'sonar' is unknown"):
        disturbed(*_grey(), "sonar", 0.03)


@pytest.mark.parametrize("modality", MODALITIES)
def test_planes_stay_in_range_and_differ_by_draw(modality: str) -> None:
    runs = _runs(modality)
    assert all(x.min() >= 0 and x.max() <= 1 for x, _ in runs)
    assert not torch.equal(runs[0][0], runs[1][0])


def test_the_planes_of_one_thermal_image_share_its_noise_and_others_do_not() -> None:
    x, _ = _runs("thermal")[0]
    assert torch.equal(x[0], x[1])
    x, _ = _runs("polarization")[0]
    assert torch.corrcoef(x[1:].flatten(1))[0, 1].abs() < 0.1


def test_single_pixels_fire_in_events_alone() -> None:
    def largest(modality: str) -> float:
        return max(float((x - x.mean()).abs().max()) for x, _ in _runs(modality))

    assert largest("event") > 0.4
    assert largest("thermal") < 0.2


def test_patches_are_lost_in_depth_alone() -> None:
    lost = [1 - float(valid.float().mean()) for _, valid in _runs("depth")]
    assert 0 < sum(lost) / 20 <= 0.1
    for modality in MODALITIES.keys() - {"depth"}:
        assert all(bool(valid.all()) for _, valid in _runs(modality))


def test_unpolarized_light_stays_in_the_middle_of_the_direction_planes() -> None:
    torch.manual_seed(0)
    x = torch.tensor([0.0, 0.5, 0.5])[:, None, None].expand(3, 8, 8)
    quiet, _ = disturbed(x, torch.ones(8, 8, dtype=torch.bool), "polarization", 0.0)
    torch.testing.assert_close(quiet, x)


def test_without_noise_only_the_gain_is_left() -> None:
    for x, valid in _runs("event", 0.0):
        torch.testing.assert_close(x, _grey()[0])
        assert bool(valid.all())
