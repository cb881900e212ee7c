# SPDX-License-Identifier: Apache-2.0
"""DeLiVER's tree: weathers, faults, videos, and its three kinds of X."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.datasets import DatasetOptions, encoded, open_dataset, splits_in
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import write_png
from segrgbx_core.readings import Planes

KINDS = {"img": "rgb", "hha": "depth", "depth": "depth", "event": "event", "semantic": "semantic"}
SEQUENCES = (
    ("cloud", "train", "MAP_10_point102"),
    ("night", "train", "MAP_2_point9_MotionBlur"),
    ("sun", "val", "MAP_1_point1_eventlowres"),
)
STORED = np.array([[0, 1, 25, 255], [2, 3, 4, 5], [6, 7, 8, 9], [10, 11, 12, 13]], np.uint8)


def carla(metres: float) -> tuple[int, int, int]:
    """Red, green and blue of a depth, red the lowest."""
    count = round(metres / 1000 * (2**24 - 1))
    return count % 256, count // 256 % 256, count // 65536


def image(kind: str, sequence: str) -> np.ndarray:
    made = np.full((4, 4, 3), 60, np.uint8)
    if kind == "depth":
        made[...] = carla(50.0)
    elif kind == "event":
        size = 2 if "lowres" in sequence else 4
        made = np.zeros((size, size, 3), np.uint8)
        made[0, 0], made[1, 1] = (255, 0, 0), (0, 0, 255)
    elif kind == "semantic":
        made[..., 0] = STORED
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for kind, word in KINDS.items():
        for weather, split, sequence in SEQUENCES:
            folder = tmp_path / kind / weather / split / sequence
            folder.mkdir(parents=True)
            for frame in ("045050", "045051"):
                write_png(folder / f"{frame}_{word}_front.png", image(kind, sequence))
    return tmp_path


def test_events_are_planes_as_stored(root: Path) -> None:
    assert splits_in("deliver", root) == ("train", "val")
    data = open_dataset("deliver", root, "train")
    assert data.modality == "event"
    assert len(data) == 4
    sample = data[0]
    assert isinstance(sample.x, Planes)
    assert sample.x.data[:, 0, 0].tolist() == [1, 0, 0]
    assert sample.x.data[:, 1, 1].tolist() == [0, 0, 1]
    assert sample.x.data.sum() == 2
    assert encoded(data, sample) is sample.x


def test_the_path_tells_condition_fault_and_video(root: Path) -> None:
    data = open_dataset("deliver", root, "train")
    assert [place.condition for place in data.places] == ["cloud", "cloud", "night", "night"]
    assert [data[i].fault for i in range(4)] == ["", "", "motionblur", "motionblur"]
    assert data[0].stem == "cloud_MAP_10_point102_045050"
    assert data.sequence(0) == data.sequence(1) != data.sequence(2)


def test_the_first_channel_holds_the_labels(root: Path) -> None:
    labels = open_dataset("deliver", root, "train")[0].labels
    assert labels[0].tolist() == [255, 0, 24, 255]
    assert labels[3].tolist() == [9, 10, 11, 12]


def test_event_pictures_of_low_resolution_keep_their_size(root: Path) -> None:
    sample = open_dataset("deliver", root, "val")[0]
    assert sample.fault == "eventlowres"
    assert isinstance(sample.x, Planes)
    assert sample.x.valid.shape == (2, 2)
    assert sample.rgb.shape == (4, 4, 3)


def test_the_simulators_depth_is_in_metres(root: Path) -> None:
    data = open_dataset("deliver", root, "train", DatasetOptions(x="depth"))
    sample = data[0]
    assert isinstance(sample.x, np.ndarray)
    assert np.allclose(sample.x, 50.0, atol=1e-3)
    # 1 - ln(50 / 0.4) / ln(80 / 0.4)
    assert np.allclose(encoded(data, sample).data[0], 0.08871, atol=1e-4)


def test_grey_depth_needs_its_scale(root: Path) -> None:
    folder = root / "depth" / "sun" / "val" / SEQUENCES[2][2]
    for path in sorted(folder.iterdir()):
        write_png(path, np.full((4, 4), 800, np.uint16))
    with pytest.raises(InputError, match=r"grey uint16 values; .*--depth-scale"):
        open_dataset("deliver", root, "val", DatasetOptions(x="depth"))[0]
    options = DatasetOptions(x="depth", depth_scale=100.0)
    sample = open_dataset("deliver", root, "val", options)[0]
    assert isinstance(sample.x, np.ndarray)
    assert np.allclose(sample.x, 8.0)
    write_png(path, np.full((4, 4, 3), 80, np.uint8))
    with pytest.raises(InputError, match=r"8-bit grey picture.*--x hha"):
        open_dataset("deliver", root, "val", options)[1]


def test_hha_has_depths_names(root: Path) -> None:
    data = open_dataset("deliver", root, "train", DatasetOptions(x="hha"))
    assert data.modality == "depth"
    assert data.places[0].x[0].name == "045050_depth_front.png"
    assert isinstance(data[0].x, Planes)


def test_an_event_picture_of_another_aspect_is_refused(root: Path) -> None:
    path = open_dataset("deliver", root, "val").places[0].x[0]
    cv2.imwrite(str(path), np.zeros((4, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"is 8x4 .* 4x4; .*image's aspect"):
        open_dataset("deliver", root, "val")[0]


def test_a_label_beyond_the_classes_is_refused(root: Path) -> None:
    path = open_dataset("deliver", root, "val").places[0].labels
    write_png(path, np.full((4, 4, 3), 26, np.uint8))
    with pytest.raises(LabelError, match=r"semantic_front.png .*values 26 in 16"):
        open_dataset("deliver", root, "val")[0]


def test_wrong_layouts_are_told(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    only = tmp_path_factory.mktemp("only")
    (only / "img" / "cloud").mkdir(parents=True)
    with pytest.raises(InputError, match=r"holds img/; expected DeLiVER's img/, semantic/"):
        splits_in("deliver", only)
    (root / "hha").rename(root / "gone")
    with pytest.raises(InputError, match=r"expected a folder hha/"):
        open_dataset("deliver", root, "train", DatasetOptions(x="hha"))
    with pytest.raises(InputError, match=r"no X 'lidar'; .*event, hha, depth"):
        open_dataset("deliver", root, "train", DatasetOptions(x="lidar"))
