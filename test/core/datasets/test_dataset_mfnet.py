# SPDX-License-Identifier: Apache-2.0
"""MFNet in its owners' layout and repacked, and the real part in full."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segrgbx_core.datasets import Sample, encoded, open_dataset, splits_in
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import write_png

RNG = np.random.default_rng(3)
NAMES = {"train": ("00001D", "00002N"), "val": ("00003D",), "test": ("00004N_flip",)}


def labels(value: int = 8) -> np.ndarray:
    made = RNG.integers(0, 8, (12, 16)).astype(np.uint8)
    made[0, 0] = value
    return made


def lists(root: Path) -> Path:
    for split, names in NAMES.items():
        (root / f"{split}.txt").write_text("\n".join(names) + "\n\n")
        for name in names:
            (root / "labels").mkdir(parents=True, exist_ok=True)
            write_png(root / "labels" / f"{name}.png", labels())
    return root


@pytest.fixture
def owners(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in sum(NAMES.values(), ()):
        image = RNG.integers(0, 256, (12, 16, 4)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image)
    return lists(tmp_path)


@pytest.fixture
def repack(tmp_path: Path) -> Path:
    for kind in ("RGB", "ther"):
        (tmp_path / kind).mkdir()
        for name in sum(NAMES.values(), ()):
            value = 200 if kind == "ther" else 90
            image = np.full((12, 16, 3), value, np.uint8)
            cv2.imwrite(str(tmp_path / kind / f"{name}.jpg"), image)
    return lists(tmp_path)


def test_the_fourth_channel_is_thermal(owners: Path) -> None:
    assert splits_in("mfnet", owners) == ("train", "val", "test")
    data = open_dataset("mfnet", owners, "train")
    stored = cv2.imread(str(owners / "images" / "00002N.png"), cv2.IMREAD_UNCHANGED)
    sample = data[1]
    assert isinstance(sample, Sample)
    assert (sample.stem, sample.split, sample.condition) == ("00002N", "train", "night")
    assert np.array_equal(sample.rgb, stored[..., 2::-1])
    assert isinstance(sample.x, np.ndarray)
    assert np.array_equal(sample.x, stored[..., 3])
    assert sample.labels.max() == 8
    assert encoded(data, sample).data.shape == (3, 12, 16)
    assert open_dataset("mfnet", owners, "test")[0].condition == "night"
    assert data.sequence(0) is None


def test_a_repack_of_two_images_is_read(repack: Path) -> None:
    sample = open_dataset("mfnet", repack, "val")[0]
    assert isinstance(sample.x, np.ndarray)
    assert (sample.x == 200).all()
    assert sample.x.shape == (12, 16)
    assert (sample.rgb == 90).all()


def test_a_list_may_name_files(repack: Path) -> None:
    (repack / "train.txt").write_text("RGB/00001D.jpg labels/00001D.png\n00002N\tmore\n")
    data = open_dataset("mfnet", repack, "train")
    assert [place.stem for place in data.places] == ["00001D", "00002N"]


def test_labels_out_of_range_name_file_and_value(owners: Path) -> None:
    write_png(owners / "labels" / "00001D.png", labels(33))
    with pytest.raises(LabelError, match=r"00001D.png .*values 33 in 1 .*0 to 8"):
        open_dataset("mfnet", owners, "train")[0]


def test_labels_of_another_size_are_refused(owners: Path) -> None:
    write_png(owners / "labels" / "00001D.png", labels()[:6])
    with pytest.raises(InputError, match=r"is 16x6 .*00001D.png 16x12"):
        open_dataset("mfnet", owners, "train")[0]


def test_thermal_of_another_size_is_refused(repack: Path) -> None:
    cv2.imwrite(str(repack / "ther" / "00003D.jpg"), np.zeros((6, 8), np.uint8))
    with pytest.raises(InputError, match=r"00003D.jpg is 8x6 .*expected X"):
        open_dataset("mfnet", repack, "val")[0]


def test_missing_files_are_counted_or_refused(owners: Path) -> None:
    (owners / "images" / "00001D.png").unlink()
    with pytest.raises(InputError, match=r"1 of 2 .*'train' lack a file, .*00001D.png"):
        open_dataset("mfnet", owners, "train")
    data = open_dataset("mfnet", owners, "train", bad_share=0.5)
    assert [place.stem for place in data.places] == ["00002N"]
    assert [place.stem for place in data.missing] == ["00001D"]


def test_a_split_without_list_is_refused(owners: Path) -> None:
    (owners / "val.txt").unlink()
    with pytest.raises(InputError, match=r"no split 'val'; .*train, test\."):
        open_dataset("mfnet", owners, "val")


def test_another_layout_says_what_was_met(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "readme.md").touch()
    with pytest.raises(InputError, match=r"holds pictures/, readme.md; .*MFNet's images/"):
        open_dataset("mfnet", tmp_path, "train")


def test_twins_are_refused(repack: Path) -> None:
    write_png(repack / "RGB" / "00001D.png", np.zeros((12, 16, 3), np.uint8))
    with pytest.raises(InputError, match=r"both 00001D.jpg and 00001D.png"):
        open_dataset("mfnet", repack, "train")


def test_names_may_have_spaces(owners: Path) -> None:
    for kind in ("images", "labels"):
        (owners / kind / "00001D.png").rename(owners / kind / "frame 1 D.png")
    (owners / "train.txt").write_text("frame 1 D\n00002N  and more\n")
    data = open_dataset("mfnet", owners, "train")
    assert [place.stem for place in data.places] == ["frame 1 D", "00002N"]
    assert not data.missing


def test_an_image_without_thermal_is_refused(owners: Path) -> None:
    write_png(owners / "images" / "00001D.png", np.zeros((12, 16, 3), np.uint8))
    with pytest.raises(InputError, match=r"shape \(12, 16, 3\).*four channels") as caught:
        open_dataset("mfnet", owners, "train")[0]
    assert "--rgbx" not in str(caught.value)


def test_labels_may_have_a_palette(owners: Path) -> None:
    path = owners / "labels" / "00001D.png"
    ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    image = Image.fromarray(ids, "P")
    image.putpalette([v for i in range(256) for v in (255 - i, i, 7)])
    image.save(path)
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).ndim == 3
    assert np.array_equal(open_dataset("mfnet", owners, "train")[0].labels, ids)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"00001D.png cannot be decoded"):
        open_dataset("mfnet", owners, "train")[0]


@pytest.mark.shared_data
def test_the_real_part_is_read_in_full(shared_data: Path) -> None:
    root = shared_data / "mfnet"
    light: Counter[str] = Counter()
    pixels = np.zeros(256, np.int64)
    for split, count in (("train", 100), ("val", 24), ("test", 36)):
        data = open_dataset("mfnet", root, split, bad_share=0.0)
        assert len(data) == count
        for i in range(count):
            sample = data[i]
            assert sample.rgb.shape == (480, 640, 3)
            assert isinstance(sample.x, np.ndarray)
            assert sample.x.shape == sample.labels.shape == (480, 640)
            light[sample.condition] += 1
            pixels += np.bincount(sample.labels.ravel(), minlength=256)
    assert light == {"day": 80, "night": 80}
    assert (pixels[:9] > 0).all()
    assert not pixels[9:].any()
