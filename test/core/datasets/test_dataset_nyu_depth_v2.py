# SPDX-License-Identifier: Apache-2.0
"""NYUDepthV2's repacks: depth with its scale, HHA, and two numberings of the labels."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.datasets import DatasetOptions, encoded, open_dataset, splits_in
from segrgbx_core.encoding import DepthSettings, encode
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import write_png
from segrgbx_core.readings import Planes

STORED = np.array([[0, 1, 40, 7], [1, 2, 3, 4], [5, 6, 7, 8]], np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for kind in ("RGB", "HHA", "Depth", "Label"):
        (tmp_path / kind).mkdir()
    for name in ("1", "2", "3"):
        cv2.imwrite(str(tmp_path / "RGB" / f"{name}.jpg"), np.full((3, 4, 3), 80, np.uint8))
        hha = np.zeros((3, 4, 3), np.uint8)
        hha[...] = (51, 102, 204)
        write_png(tmp_path / "HHA" / f"{name}.png", hha)
        depth = np.full((3, 4), 2000, np.uint16)
        depth[0] = (0, 65535, 4000, 8000)
        write_png(tmp_path / "Depth" / f"{name}.png", depth)
        write_png(tmp_path / "Label" / f"{name}.png", STORED)
    (tmp_path / "train.txt").write_text("1\n2\n")
    (tmp_path / "test.txt").write_text("3\n")
    return tmp_path


def test_depth_is_in_millimetres_by_default(root: Path) -> None:
    assert splits_in("nyu_depth_v2", root) == ("train", "test")
    data = open_dataset("nyu_depth_v2", root, "train")
    sample = data[0]
    planes = encoded(data, sample)
    metres = np.full((3, 4), 2, np.float32)
    metres[0] = (np.nan, np.nan, 4, 8)
    assert np.allclose(planes.data, encode("depth", metres, DepthSettings()).data, atol=1e-6)
    assert planes.valid.sum() == 10


def test_labels_are_ids_with_zero_ignored(root: Path) -> None:
    labels = open_dataset("nyu_depth_v2", root, "test")[0].labels
    assert labels.tolist() == [[255, 0, 39, 6], [0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_scale_halves_the_depth(root: Path) -> None:
    data = open_dataset("nyu_depth_v2", root, "test", DatasetOptions(depth_scale=2000.0))
    twice = open_dataset("nyu_depth_v2", root, "test")
    near, far = encoded(data, data[0]), encoded(twice, twice[0])
    assert (near.data[0][near.valid] > far.data[0][far.valid]).all()


def test_a_scale_that_cannot_be_is_refused(root: Path) -> None:
    deep = np.full((3, 4), 12000, np.uint16)
    write_png(root / "Depth" / "3.png", deep)
    with pytest.raises(InputError, match=r"reaches 12000, .*1000 .*is 12 m.*--depth-scale"):
        open_dataset("nyu_depth_v2", root, "test")[0]
    data = open_dataset("nyu_depth_v2", root, "test", DatasetOptions(depth_scale=5000.0))
    assert data[0].stem == "3"
    data = open_dataset("nyu_depth_v2", root, "test", DatasetOptions(depth_scale=65280.0))
    with pytest.raises(InputError, match=r"65280 per metre is 0\.18.* m, but .*1 to 10 m"):
        data[0]


def test_eight_bits_are_read_if_their_scale_is_told(root: Path) -> None:
    write_png(root / "Depth" / "3.png", np.full((3, 4), 51, np.uint8))
    eight = open_dataset("nyu_depth_v2", root, "test", DatasetOptions(depth_scale=25.5))
    write_png(root / "Depth" / "3.png", np.full((3, 4), 2000, np.uint16))
    sixteen = open_dataset("nyu_depth_v2", root, "test")
    planes = encoded(sixteen, sixteen[0])
    write_png(root / "Depth" / "3.png", np.full((3, 4), 51, np.uint8))
    assert np.allclose(encoded(eight, eight[0]).data, planes.data, atol=1e-6)


def test_pictures_of_depth_are_refused(root: Path) -> None:
    write_png(root / "Depth" / "3.png", np.full((3, 4), 120, np.uint8))
    with pytest.raises(InputError, match=r"3.png has 8 bits.*--depth-scale 25\.5.*--x hha"):
        open_dataset("nyu_depth_v2", root, "test")[0]


def test_hha_comes_as_planes(root: Path) -> None:
    data = open_dataset("nyu_depth_v2", root, "test", DatasetOptions(x="hha"))
    sample = data[0]
    assert isinstance(sample.x, Planes)
    assert encoded(data, sample) is sample.x
    assert np.allclose(sample.x.data[:, 0, 0], (0.2, 0.4, 0.8))
    assert sample.x.valid.all()
    assert data.modality == "depth"


def test_the_other_x_is_named_where_one_is_not_there(root: Path) -> None:
    (root / "Depth").rename(root / "gone")
    with pytest.raises(InputError, match=r"no folder for depth; .*HHA/: .*--x hha"):
        open_dataset("nyu_depth_v2", root, "test")


def test_labels_that_count_from_zero_are_told_apart(root: Path) -> None:
    ids = np.array([[255, 0, 39, 6], [0, 1, 2, 3], [4, 5, 6, 7]], np.uint8)
    write_png(root / "Label" / "3.png", ids)
    with pytest.raises(LabelError, match=r"3.png holds the value 255.*--labels-from 0"):
        open_dataset("nyu_depth_v2", root, "test")[0]
    data = open_dataset("nyu_depth_v2", root, "test", DatasetOptions(labels_from=0))
    assert np.array_equal(data[0].labels, ids)


def test_the_owners_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "nyu_depth_v2_labeled.mat").touch()
    with pytest.raises(InputError, match=r".mat file, .*894 classes"):
        open_dataset("nyu_depth_v2", tmp_path, "train")


@pytest.mark.shared_data
def test_the_real_frame(shared_data: Path, tmp_path: Path) -> None:
    """Its depth is 5000 a metre, its labels are ids; see the data's own notes."""
    frame = shared_data / "depth" / "nyuv2"
    sources = {"RGB": "", "Depth": "depth_gt_", "Label": "segm_gt_"}
    for kind, prefix in sources.items():
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "464.png").symlink_to(frame / f"{prefix}000464.png")
    (tmp_path / "test.txt").write_text("464\n")
    options = DatasetOptions(depth_scale=5000.0, labels_from=0)
    data = open_dataset("nyu_depth_v2", tmp_path, "test", options)
    sample = data[0]
    assert sample.rgb.shape[:2] == sample.labels.shape
    assert set(np.unique(sample.labels)) <= {*range(40), 255}
    assert isinstance(sample.x, np.ndarray)
    assert 1.0 < float(np.median(sample.x[sample.x > 0])) / 5000 < 8.0
    assert encoded(data, sample).valid.mean() > 0.5
    with pytest.raises(InputError, match="--depth-scale: 5000 in some repacks"):
        open_dataset("nyu_depth_v2", tmp_path, "test", DatasetOptions(labels_from=0))[0]
