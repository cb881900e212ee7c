# SPDX-License-Identifier: Apache-2.0
"""ZJU RGB-P: four polarizer images, coloured labels."""

from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.datasets import encoded, open_dataset, splits_in
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import write_png
from segrgbx_core.readings import PolarizerImages

ANGLES = {"0": 100, "45": 80, "90": 60, "135": 80}
GLASS, BLACK = (0, 128, 0), (0, 0, 0)


def built(root: Path, ending: str) -> Path:
    for split in ("train", "val"):
        for folder in (*ANGLES, "label"):
            (root / split / folder).mkdir(parents=True)
        for name in ("12_image0", "7_image0"):
            for angle, counts in ANGLES.items():
                image = np.full((6, 8, 3), counts, np.uint8)
                image[0, 0, 1] = 255
                write_png(root / split / angle / f"{name}{ending.format(angle)}.png", image)
            labels = np.zeros((6, 8, 3), np.uint8)
            labels[2:] = GLASS
            write_png(root / split / "label" / f"{name}.png", labels)
    return root


@pytest.mark.parametrize("ending", ["_{}", "_{}°", ""])
def test_names_with_and_without_the_angle(tmp_path: Path, ending: str) -> None:
    root = built(tmp_path, ending)
    assert splits_in("zju_rgbp", root) == ("train", "val")
    data = open_dataset("zju_rgbp", root, "train", bad_share=0.0)
    assert [place.stem for place in data.places] == ["12_image0", "7_image0"]
    sample = data[0]
    assert isinstance(sample.x, PolarizerImages)
    assert sample.x.intensity[:, 3, 3].tolist() == [100, 80, 60, 80]
    assert (sample.rgb[3, 3] == 80).all()


def test_the_planes_are_those_of_the_light(tmp_path: Path) -> None:
    data = open_dataset("zju_rgbp", built(tmp_path, "_{}"), "val")
    planes = encoded(data, data[0])
    # S0 = 160, S1 = 40, S2 = 0: DoLP 0.25, w = 0.5, the angle 0.
    assert np.allclose(planes.data[:, 4, 4], (0.5, 0.5, 0.75), atol=0.02)
    # One saturated colour spoils the pixel.
    assert not planes.valid[0, 0]
    assert planes.valid.sum() == 47


def test_background_is_unlabelled(tmp_path: Path) -> None:
    data = open_dataset("zju_rgbp", built(tmp_path, "_{}"), "val")
    labels = data[0].labels
    assert (labels[:2] == 255).all()
    assert (labels[2:] == data.label_set.id_of("glass")).all()


def test_a_strange_colour_is_named(tmp_path: Path) -> None:
    root = built(tmp_path, "_{}")
    labels = np.zeros((6, 8, 3), np.uint8)
    labels[0, :3] = (1, 2, 3)
    write_png(root / "val" / "label" / "12_image0.png", labels)
    with pytest.raises(LabelError, match=r"12_image0.png .*colour 1,2,3 and 3 pixels"):
        open_dataset("zju_rgbp", root, "val")[0]
    write_png(root / "val" / "label" / "12_image0.png", labels[..., 0])
    with pytest.raises(InputError, match="three channels"):
        open_dataset("zju_rgbp", root, "val")[0]


def test_a_missing_angle_is_told(tmp_path: Path) -> None:
    root = built(tmp_path, "_{}")
    (root / "val" / "45" / "7_image0_45.png").unlink()
    data = open_dataset("zju_rgbp", root, "val", bad_share=0.5)
    assert [path.name for path in data.missing[0].lacking()] == ["7_image0_45.png"]
    (root / "val" / "45").rename(root / "val" / "46")
    with pytest.raises(InputError, match=r"angles 0, 45, 90"):
        open_dataset("zju_rgbp", root, "val")


def test_angles_of_two_sizes_are_refused(tmp_path: Path) -> None:
    root = built(tmp_path, "_{}")
    write_png(root / "val" / "90" / "12_image0_90.png", np.zeros((3, 4, 3), np.uint8))
    with pytest.raises(InputError, match="four images of one size"):
        open_dataset("zju_rgbp", root, "val")[0]


def test_another_layout_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds nothing; .*ZJU RGB-P"):
        splits_in("zju_rgbp", tmp_path)
