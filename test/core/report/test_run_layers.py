# SPDX-License-Identifier: Apache-2.0
"""A run's layers: their size, exact labels, and bytes that follow the number of frames."""

import base64
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.report.layers import (
    PAGE_BYTES,
    FrameLayers,
    LayerWriter,
    layer_files,
    read_layers,
    remove_layers,
)

RNG = np.random.default_rng(3)


def decoded(text: str) -> npt.NDArray[np.uint8]:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)


def written(out: Path, expected: int, size: tuple[int, int], count: int = 1) -> list[FrameLayers]:
    writer = LayerWriter(out, expected)
    for index in range(count):
        noise = RNG.integers(0, 256, (*size, 3), np.uint8)
        labels = noise[..., 0] % 11
        writer.write(index, noise, noise, labels, labels, noise[..., 1])
    return [layers for _, layers in read_layers(layer_files(out))]


def test_labels_are_kept_exactly_and_colours_nearly(tmp_path: Path) -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, 32:] = (200, 30, 60)
    labels = np.where(rgb[..., 0] > 0, 255, 4).astype(np.uint8)
    LayerWriter(tmp_path, 10).write(7, rgb, None, labels, labels[:, ::-1], labels)
    [(index, layers)] = read_layers(layer_files(tmp_path))
    assert (index, layers.width, layers.height, layers.x) == (7, 64, 48, None)
    assert (decoded(layers.mask) == labels).all()
    assert layers.truth is not None
    assert (decoded(layers.truth) == labels[:, ::-1]).all()
    shown = cv2.cvtColor(decoded(layers.rgb), cv2.COLOR_BGR2RGB)
    assert np.abs(shown[24, 60].astype(int) - (200, 30, 60)).max() < 8


@pytest.mark.parametrize(
    ("expected", "size", "shown"),
    [
        (20, (480, 640), (640, 480)),
        (1000, (480, 640), (480, 360)),
        (90_000, (480, 640), (480, 360)),
        (20, (1080, 1920), (739, 416)),
        (20, (60, 80), (80, 60)),
    ],
)
def test_the_size_follows_the_number_of_frames(
    tmp_path: Path, expected: int, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    [layers] = written(tmp_path, expected, size)
    assert (layers.width, layers.height) == shown


def test_x_and_confidence_of_another_size_are_shown_at_that_of_rgb(tmp_path: Path) -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    labels = np.zeros((48, 64), np.uint8)
    LayerWriter(tmp_path, 10).write(0, rgb, rgb[::2, ::2], labels, None, labels[::4, ::4])
    [(_, layers)] = read_layers(layer_files(tmp_path))
    assert layers.x is not None
    assert decoded(layers.x).shape[:2] == decoded(layers.confidence).shape == (48, 64)


def test_noise_which_no_codec_shrinks_keeps_to_the_page(tmp_path: Path) -> None:
    """At first quality 80, later as little as fits: less of each than its share."""
    each = [path.stat().st_size for path in _noise_files(tmp_path, 40)]
    share = PAGE_BYTES / 1000
    assert each[0] > 2 * share
    assert min(each) < each[0] / 2


def _noise_files(out: Path, count: int) -> list[Path]:
    writer = LayerWriter(out, 1000)
    labels = np.zeros((360, 480), np.uint8)
    for index in range(count):
        noise = RNG.integers(0, 256, (360, 480, 3), np.uint8)
        writer.write(index, noise, None, labels, None, labels)
    return list(layer_files(out).values())


def test_only_its_own_files_are_removed(tmp_path: Path) -> None:
    written(tmp_path, 3, (24, 32), count=3)
    other = tmp_path / "page" / "mine.txt"
    other.write_text("kept")
    remove_layers(tmp_path)
    assert [p.name for p in (tmp_path / "page").iterdir()] == ["mine.txt"]
    other.unlink()
    remove_layers(tmp_path)
    assert not (tmp_path / "page").exists()


def test_a_strange_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "000000.json").write_text('{"rgb": 1}')
    with pytest.raises(InputError, match="lacks width"):
        list(read_layers(layer_files(tmp_path)))
