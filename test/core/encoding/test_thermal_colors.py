# SPDX-License-Identifier: Apache-2.0
"""Colour-mapped thermal pictures, converted back through their colour map."""

import cv2
import numpy as np
import pytest

from segrgbx_core.encoding import ThermalSettings, encode
from segrgbx_core.encoding.thermal.colors import color_map_names, levels_of, palette
from segrgbx_core.errors import InputError


def grey(height: int = 60, width: int = 80) -> np.ndarray:
    i, j = np.mgrid[0:height, 0:width]
    return ((i * 3 + j * 2) % 256).astype(np.uint8)


def colored(image: np.ndarray, name: str) -> np.ndarray:
    return cv2.applyColorMap(image, getattr(cv2, f"COLORMAP_{name.upper()}"))[..., ::-1].copy()


def invertible() -> list[str]:
    names = []
    for name in color_map_names():
        try:
            palette(name)
        except InputError:
            continue
        names.append(name)
    return names


def test_the_maps_that_cameras_use_can_be_inverted() -> None:
    assert {"gray", "inferno", "jet", "hot", "magma", "plasma", "turbo"} <= set(invertible())


@pytest.mark.parametrize("name", ["inferno", "jet", "hot", "turbo", "viridis", "bone"])
def test_levels_come_back(name: str) -> None:
    levels = levels_of(colored(grey(), name), name)
    assert np.abs(levels - grey()).max() <= 4
    assert np.abs(levels - grey()).mean() < 0.6


def test_planes_are_those_of_the_bytes() -> None:
    planes = encode("thermal", colored(grey(), "inferno"), ThermalSettings(color_map="inferno"))
    expected = encode("thermal", grey())
    assert planes.valid.all()
    assert np.abs(planes.data - expected.data).max() < 0.03
    three = np.repeat(grey()[..., None], 3, -1)
    same = encode("thermal", three, ThermalSettings(color_map="gray"))
    np.testing.assert_allclose(same.data, expected.data, atol=1e-4)


def test_a_jpeg_is_near() -> None:
    smooth = np.clip(np.mgrid[0:60, 0:80].sum(0) * 1.8, 0, 255).astype(np.uint8)
    picture = colored(smooth, "inferno")
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy()
    levels = levels_of(back, "inferno")
    assert np.nanmedian(np.abs(levels - smooth)) <= 3


def test_drawn_text_is_invalid() -> None:
    picture = colored(grey(), "inferno")
    picture[3:6, 5:20] = (0, 255, 0)
    planes = encode("thermal", picture, ThermalSettings(color_map="inferno"))
    assert not planes.valid[3:6, 5:20].any()
    assert planes.valid.sum() == planes.valid.size - 45


def test_another_map_and_exchanged_channels_are_named() -> None:
    with pytest.raises(InputError, match="colour map 'viridis'"):
        levels_of(colored(grey(), "jet"), "viridis")
    with pytest.raises(InputError, match="red and blue"):
        levels_of(colored(grey(), "hot")[..., ::-1].copy(), "hot")
