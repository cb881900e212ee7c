# SPDX-License-Identifier: Apache-2.0
"""Normalisation and resizing by small values worked out by hand."""

import pytest
import torch

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.model import Preprocessing, resize_rgb, resize_x

PLAIN = Preprocessing(
    rgb_mean=(0.0, 0.5, 1.0), rgb_std=(1.0, 0.5, 0.25), x_mean=(0.5,) * 3, x_std=(0.25,) * 3
)


def test_rgb_is_scaled_channel_by_channel_in_rgb_order() -> None:
    pixel = torch.tensor([255, 255, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    # (1 - 0) / 1, (1 - 0.5) / 0.5, (0 - 1) / 0.25
    assert PLAIN.normalise_rgb(pixel).flatten().tolist() == [1.0, 1.0, -4.0]


def test_invalid_x_is_zero_after_normalisation() -> None:
    planes = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    valid = torch.tensor([True, False]).view(1, 1, 2)
    assert PLAIN.normalise_x(planes, valid)[0, 0, 0].tolist() == [2.0, 0.0]


def test_x_is_enlarged_from_valid_neighbours_alone() -> None:
    planes = torch.full((1, 3, 2, 2), 0.8)
    planes[:, :, :, 1] = 0.0
    valid = torch.tensor([[[True, False], [True, False]]])
    data, where = resize_x(planes, valid, (4, 4))
    assert where[0].tolist() == [[True, True, False, False]] * 4
    torch.testing.assert_close(data[:, :, :, :2], torch.full((1, 3, 4, 2), 0.8))
    assert not data[:, :, :, 2:].any()


def test_x_wholly_valid_is_enlarged_bilinearly() -> None:
    planes = torch.tensor([0.0, 1.0]).expand(1, 3, 2, 2)
    data, where = resize_x(planes, torch.ones(1, 2, 2, dtype=torch.bool), (2, 4))
    assert where.all()
    # Centres of the four pixels lie at -0.25, 0.25, 0.75, 1.25 of the two, clamped at the ends.
    torch.testing.assert_close(data[0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]))


def test_rgb_of_the_wanted_size_is_left_alone() -> None:
    rgb = torch.randint(0, 256, (1, 3, 4, 6), dtype=torch.uint8)
    assert torch.equal(resize_rgb(rgb, (4, 6)), rgb.float())


@pytest.mark.parametrize(
    ("short_side", "expected"), [(None, (480, 640)), (240, (240, 320)), (96, (96, 128))]
)
def test_inference_size_keeps_the_aspect_ratio(
    short_side: int | None, expected: tuple[int, int]
) -> None:
    assert Preprocessing(short_side=short_side).inference_size(480, 640) == expected


@pytest.mark.parametrize(("height", "width"), [(2, 160), (160, 2), (1, 20000), (30, 500)])
def test_an_elongated_image_is_not_enlarged_without_bound(height: int, width: int) -> None:
    words = rf"is {width}x{height}, more than 16 times as long as it is wide"
    with pytest.raises(InputError, match=words):
        Preprocessing(short_side=480).inference_size(height, width)
    assert Preprocessing().inference_size(height, width) == (height, width)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1, 1), (480, 480)), ((17, 31), (480, 875)), ((30, 480), (480, 7680)),
     ((1000, 40000), (480, 19200))],
)  # fmt: skip
def test_an_image_up_to_the_bound_or_shrunk_keeps_its_size(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert Preprocessing(short_side=480).inference_size(*size) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300, 1e38])
def test_figures_that_no_input_has_are_refused(value: float) -> None:
    for name in ("rgb_mean", "x_mean"):
        with pytest.raises(ModelError, match="Means are"):
            Preprocessing(**{name: (0.5, value, 0.5)})
    for name in ("rgb_std", "x_std"):
        with pytest.raises(ModelError, match=f"{name} is"):
            Preprocessing(**{name: (0.5, value, 0.5)})


def test_wrong_values_are_refused_in_words() -> None:
    with pytest.raises(ModelError, match=r"Channel order .*'bgr'; .*'rgb'"):
        Preprocessing(channel_order="bgr")
    with pytest.raises(ModelError, match=r"x_std is .*above 0"):
        Preprocessing(x_std=(0.1, 0.0, 0.1))
    with pytest.raises(ModelError, match=r"short_side is 8; .*32 or more"):
        Preprocessing(short_side=8)
    with pytest.raises(ModelError, match="Means are"):
        Preprocessing(rgb_mean=(float("nan"), 0.0, 0.0))
