# SPDX-License-Identifier: Apache-2.0
"""UrbanLF: real and synthetic scenes, sets of views, two kinds of labels."""

from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.datasets import DatasetOptions, encoded, open_dataset, splits_in
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import write_png
from segrgbx_core.readings import LightFieldViews

SHAPES = {"real": (12, 20), "Syn": (16, 20)}
SKY = (158, 179, 202)


def views(scene: Path, shape: tuple[int, int]) -> None:
    scene.mkdir(parents=True)
    texture = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    for row in range(1, 10):
        for column in range(1, 10):
            view = np.roll(texture, (5 - row, 5 - column), axis=(0, 1))
            write_png(scene / f"{row}_{column}.png", view)


def colours(shape: tuple[int, int]) -> np.ndarray:
    image = np.zeros((*shape, 3), np.uint8)
    image[0] = SKY
    return image


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("urbanlf")
    for part, shape in SHAPES.items():
        for split in ("train", "val"):
            scene = root / part / split / "Image7"
            views(scene, shape)
            if part == "real":
                write_png(scene / "label.png", colours(shape))
            else:
                stored = np.full(shape, 14, np.int64)
                stored[0], stored[1] = -1, 1
                np.save(scene / "5_5_label.npy", stored)
    return root


def test_both_parts_are_one_set(root: Path) -> None:
    assert splits_in("urbanlf", root) == ("train", "val")
    data = open_dataset("urbanlf", root, "train")
    assert [place.stem for place in data.places] == ["real_Image7", "synthetic_Image7"]
    assert [data[i].rgb.shape[:2] for i in range(2)] == list(SHAPES.values())
    assert data.settings is not None


@pytest.mark.parametrize(("x", "count"), [("8", 9), ("33", 33), ("80", 81)])
def test_a_view_set_holds_the_centre(root: Path, x: str, count: int) -> None:
    data = open_dataset("urbanlf_real", root, "val", DatasetOptions(x=x))
    sample = data[0]
    assert len(data) == 1
    assert isinstance(sample.x, LightFieldViews)
    assert sample.x.views.shape == (count, 12, 20, 3)
    centre = (sample.x.rows == 5) & (sample.x.columns == 5)
    assert np.array_equal(sample.x.views[centre][0], sample.rgb)


def test_what_moves_with_the_views_is_near(root: Path) -> None:
    data = open_dataset("urbanlf_synthetic", root, "val")
    planes = encoded(data, data[0])
    assert planes.data.shape == (3, 16, 20)
    # Texture that follows the views by a pixel each is seen with confidence.
    assert np.median(planes.data[1]) > 0.5


def test_labels_of_colours_and_numbers(root: Path) -> None:
    real = open_dataset("urbanlf_real", root, "train")
    labels = real[0].labels
    assert (labels[0] == real.label_set.id_of("sky")).all()
    assert (labels[1:] == real.label_set.id_of("others")).all()
    made = open_dataset("urbanlf_synthetic", root, "train")[0].labels
    assert [made[i, 0] for i in range(3)] == [255, 0, 13]


def test_a_part_may_be_the_root(root: Path) -> None:
    data = open_dataset("urbanlf", root / "Syn", "val")
    assert [place.stem for place in data.places] == ["synthetic_Image7"]
    with pytest.raises(InputError, match=r"expected UrbanLF's .*\(real\)"):
        splits_in("urbanlf_real", root / "Syn")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    scene = tmp_path / "real" / "test" / "Image1"
    views(scene, (4, 6))
    (scene / "1_1.png").unlink()
    with pytest.raises(InputError, match=r"1 of 1 .*'test' lack a file, .*1_1.png"):
        open_dataset("urbanlf", tmp_path, "test")
    write_png(scene / "1_1.png", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(InputError, match=r"lack a file, .*label.png"):
        open_dataset("urbanlf", tmp_path, "test")


@pytest.mark.parametrize(("value", "words"), [(15, "15"), (-7, "-7"), (300, "300")])
def test_numbers_beyond_the_classes_are_named(tmp_path: Path, value: int, words: str) -> None:
    scene = tmp_path / "Syn" / "val" / "Image1"
    views(scene, (4, 6))
    np.save(scene / "5_5_label.npy", np.full((4, 6), value))
    with pytest.raises(LabelError, match=rf"5_5_label.npy holds the values? {words}"):
        open_dataset("urbanlf", tmp_path, "val")[0]
    write_png(scene / "5_6.png", np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(InputError, match="views of one size"):
        open_dataset("urbanlf", tmp_path, "val")[0]
