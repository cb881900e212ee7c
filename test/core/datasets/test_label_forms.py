# SPDX-License-Identifier: Apache-2.0
"""Label images as people store them: equal channels, one channel, colours, bits and masks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from segrgbx_core.datasets import FolderDataset
from segrgbx_core.datasets.watching import Watched, doubt_about_labels_of
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import write_png

RNG = np.random.default_rng(7)
IDS = np.zeros((8, 12), np.uint8)
IDS[2:5, 3:7] = 1
THREE = IDS.copy()
THREE[6:] = 2
COLOURS = {2: [(0, 0, 0), (220, 20, 60)], 3: [(1, 1, 1), (220, 20, 60), (0, 255, 0)]}
Pixels = npt.NDArray[Any]


def folder(root: Path, form: str = "", count: int = 2) -> Path:
    """One thermal sample without labels."""
    for kind in ("rgb", "x", "labels"):
        (root / kind).mkdir()
    write_png(root / "rgb" / "1.png", RNG.integers(0, 256, (8, 12, 3)).astype(np.uint8))
    write_png(root / "x" / "1.png", RNG.integers(0, 256, (8, 12)).astype(np.uint8))
    classes = [f"  - {{name: class_{i}, color: {list(COLOURS[count][i])}}}" for i in range(count)]
    (root / "labels.yaml").write_text("\n".join(["classes:", *classes]))
    told = f"labels: {form}\n" if form else ""
    (root / "dataset.yaml").write_text(f"modality: thermal\nlabel_set: labels.yaml\n{told}")
    return root


def written(path: Path, image: Pixels) -> None:
    """Red first."""
    order = {2: slice(None), 3: np.s_[..., ::-1], 4: np.s_[..., [2, 1, 0, 3]]}
    channels = 2 if image.ndim == 2 else image.shape[2]
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[order[channels]]))


def bits(path: Path, depth: int) -> None:
    Image.fromarray(THREE if depth > 1 else IDS).save(path, bits=depth)


def one_bit(path: Path) -> None:
    Image.fromarray(IDS > 0).save(path)


def palette(path: Path) -> None:
    image = Image.fromarray(THREE)
    image.putpalette([value for colour in COLOURS[3] for value in colour])
    image.save(path)


def npy(kind: type[np.generic]) -> Callable[[Path], None]:
    return lambda path: np.save(path, THREE.astype(kind))


def opaque(image: Pixels) -> Pixels:
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


PAINTED = np.array(COLOURS[3], np.uint8)[THREE]
FORMS: list[tuple[str, str, Callable[[Path], None], Pixels]] = [
    ("1.png", "", lambda path: written(path, np.dstack([THREE] * 3)), THREE),
    ("1.png", "numbers", lambda path: written(path, opaque(np.dstack([THREE] * 3))), THREE),
    ("1.png", "red", lambda path: written(path, np.dstack([THREE, THREE * 0, THREE * 0])), THREE),
    ("1.png", "green", lambda path: written(path, np.dstack([IDS, THREE, IDS])), THREE),
    ("1.png", "blue", lambda path: written(path, opaque(np.dstack([IDS, IDS, THREE]))), THREE),
    ("1.png", "red", lambda path: written(path, THREE), THREE),
    ("1.png", "colors", lambda path: written(path, PAINTED), THREE),
    ("1.png", "colors", lambda path: written(path, opaque(PAINTED)), THREE),
    ("1.png", "colors", palette, THREE),
    ("1.png", "", palette, THREE),
    ("1.bmp", "", palette, THREE),
    ("1.tif", "", palette, THREE),
    ("1.png", "", one_bit, IDS),
    ("1.tif", "", one_bit, IDS),
    ("1.bmp", "", one_bit, IDS),
    ("1.png", "", lambda path: bits(path, 1), IDS),
    ("1.png", "", lambda path: bits(path, 2), THREE),
    ("1.png", "", lambda path: bits(path, 4), THREE),
    ("1.pgm", "", lambda path: written(path, THREE), THREE),
    ("1.npy", "", npy(np.int64), THREE),
    ("1.npy", "", npy(np.float32), THREE),
    ("1.npy", "", lambda path: np.save(path, IDS > 0), IDS),
    ("1.npy", "", lambda path: np.save(path, np.where(IDS, 1, -1).astype(np.int8)),
     np.where(IDS, 1, 255)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "form", "write", "right"), FORMS)
def test_each_form_gives_the_same_ids(
    tmp_path: Path, name: str, form: str, write: Callable[[Path], None], right: Pixels
) -> None:
    write(folder(tmp_path, form, 3) / "labels" / name)
    labels = FolderDataset(tmp_path).labels(0)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, right)


def test_black_is_unlabelled_where_no_class_is_black(tmp_path: Path) -> None:
    painted = PAINTED.copy()
    painted[0] = 0
    written(folder(tmp_path, "colors", 3) / "labels" / "1.png", painted)
    assert (FolderDataset(tmp_path).labels(0)[0] == 255).all()


def test_black_and_white_masks(tmp_path: Path) -> None:
    written(folder(tmp_path, "binary") / "labels" / "1.png", IDS * 255)
    np.testing.assert_array_equal(FolderDataset(tmp_path).labels(0), IDS)
    written(tmp_path / "labels" / "1.png", IDS)
    np.testing.assert_array_equal(FolderDataset(tmp_path).labels(0), IDS)
    written(tmp_path / "labels" / "1.png", IDS * 128)
    with pytest.raises(LabelError, match=r"1.png holds the value 128; binary .*0 and 255 alone"):
        FolderDataset(tmp_path).labels(0)


def test_masks_that_are_not_declared_are_doubted(tmp_path: Path) -> None:
    written(folder(tmp_path) / "labels" / "1.png", IDS * 255)
    data = FolderDataset(tmp_path)
    assert "class_1) never occurs" in doubt_about_labels_of(data)
    watched = Watched(data)
    assert watched.sentences() == ()
    watched[0]
    (said,) = watched.sentences()
    assert "set labels: binary" in said
    written(tmp_path / "labels" / "1.png", IDS)
    assert doubt_about_labels_of(data) == ""


@pytest.mark.parametrize(
    ("name", "image", "words"),
    [
        ("1.png", np.dstack([IDS, THREE, IDS]), r"\(8, 12, 3\).* labels: red .*labels: colors"),
        ("1.jpg", np.dstack([IDS] * 3), r"ending \.jpg; .*PNG or \.npy"),
        ("1.npy", THREE + 0.5, r"float64 .*whole numbers"),
    ],
)
def test_what_holds_no_numbers_shows_the_way(
    tmp_path: Path, name: str, image: Pixels, words: str
) -> None:
    path = folder(tmp_path, "", 3) / "labels" / name
    if path.suffix == ".npy":
        np.save(path, image)
    else:
        written(path, image)
    with pytest.raises(InputError, match=words):
        FolderDataset(tmp_path).labels(0)


def test_a_jpeg_under_another_name_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path) / "labels" / "1.png"
    path.write_bytes(cv2.imencode(".jpg", IDS)[1].tobytes())
    with pytest.raises(InputError, match="whole numbers"):
        FolderDataset(tmp_path).labels(0)


def test_forms_that_cannot_be(tmp_path: Path) -> None:
    folder(tmp_path, "alpha", 3)
    with pytest.raises(InputError, match=r"labels is 'alpha'; expected one of numbers, red"):
        FolderDataset(tmp_path)
    (tmp_path / "dataset.yaml").write_text(
        "modality: thermal\nlabel_set: labels.yaml\nlabels: binary\n"
    )
    with pytest.raises(InputError, match=r"'binary', which is for two classes, but .*has 3"):
        FolderDataset(tmp_path)
    (tmp_path / "labels.yaml").write_text(
        "classes:\n  - {name: a, color: [9, 9, 9]}\n  - {name: b, color: [9, 9, 9]}\n"
    )
    (tmp_path / "dataset.yaml").write_text(
        "modality: thermal\nlabel_set: labels.yaml\nlabels: colors\n"
    )
    written(tmp_path / "labels" / "1.png", PAINTED)
    with pytest.raises(LabelError, match="one colour to two classes"):
        FolderDataset(tmp_path).labels(0)
