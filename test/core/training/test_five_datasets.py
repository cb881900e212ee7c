# SPDX-License-Identifier: Apache-2.0
"""The complete recipe of the five public datasets, on miniature copies in their layouts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import yaml

from segrgbx_core import Segmenter
from segrgbx_core.datasets import DatasetOptions, open_dataset
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.evaluation.embeddings import SceneEmbedder, concatenated, separation
from segrgbx_core.files.images import write_png
from segrgbx_core.files.resources import share_dir
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.modality import MODALITIES
from segrgbx_core.training import train
from segrgbx_core.weights.store import load_model

Image = npt.NDArray[np.uint8]
SHAPE = (48, 64)


def street(seed: int, classes: int) -> tuple[Image, Image]:
    """Labels of a few patches, and an RGB image in which each class has its own colour."""
    rng = np.random.default_rng(seed)
    labels = np.full(SHAPE, rng.integers(classes), np.uint8)
    for _ in range(4):
        top, left = rng.integers(0, 30, 2)
        labels[top : top + 16, left : left + 20] = rng.integers(classes)
    colours = np.random.default_rng(0).integers(30, 220, (256, 3))
    rgb = colours[labels] + rng.integers(-10, 10, (*SHAPE, 3))
    return labels, rgb.astype(np.uint8)


def written(path: Path, image: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, image)


def names(root: Path, counts: dict[str, int]) -> Iterator[tuple[str, int, str]]:
    """Split, a running number, and the name under which the split's list has it."""
    number = 0
    for split, count in counts.items():
        listed = []
        for _ in range(count):
            number += 1
            listed.append(f"{number:05d}{'DN'[number % 2]}")
            yield split, number, listed[-1]
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{split}.txt").write_text("\n".join(listed))


def deliver(root: Path) -> None:
    for i, split in enumerate(("train", "train", "val", "test")):
        for weather in ("night", "sun"):
            labels, rgb = street(i, 25)
            metres = 5 + 2.0 * labels
            count = np.round(metres / 1000 * (2**24 - 1)).astype(np.int64)
            images = {
                ("img", "rgb"): rgb,
                ("event", "event"): np.where(rgb > 128, 255, 0).astype(np.uint8),
                ("depth", "depth"): np.dstack([count % 256, count // 256 % 256, count // 65536]),
                ("semantic", "semantic"): np.dstack([labels + 1] * 3),
            }
            for (folder, word), image in images.items():
                place = root / folder / weather / split / "MAP_1_point2"
                written(place / f"{i:06d}_{word}_front.png", image.astype(np.uint8))


def mfnet(root: Path) -> None:
    (root / "images").mkdir(parents=True)
    for _, number, name in names(root, {"train": 3, "val": 1, "test": 1}):
        labels, rgb = street(number, 9)
        four = np.dstack([rgb[..., ::-1], labels * 20 + 40])
        cv2.imwrite(str(root / "images" / f"{name}.png"), four)
        written(root / "labels" / f"{name}.png", labels)


def nyu_depth_v2(root: Path) -> None:
    for _, number, name in names(root, {"train": 3, "test": 1}):
        labels, rgb = street(number, 40)
        written(root / "RGB" / f"{name}.png", rgb)
        written(root / "Depth" / f"{name}.png", (labels.astype(np.uint16) * 100 + 900))
        written(root / "Label" / f"{name}.png", labels + 1)


def zju_rgbp(root: Path) -> None:
    colours = np.array([c.color for c in load_label_set("zju_rgbp").classes], np.uint8)
    for i, split in enumerate(("train", "train", "val")):
        labels, rgb = street(i, 8)
        for angle in (0, 45, 90, 135):
            through = 1 + 0.3 * np.cos(2 * np.deg2rad(angle) - labels)
            image = (rgb * through[..., None] / 2).astype(np.uint8)
            written(root / split / str(angle) / f"{i}_{angle}.png", image)
        written(root / split / "label" / f"{i}.png", colours[labels])


def urbanlf(root: Path) -> None:
    colours = np.array([c.color for c in load_label_set("urbanlf").classes], np.uint8)
    for i, split in enumerate(("train", "train", "val")):
        for part in ("real", "Syn"):
            labels, rgb = street(i, 14)
            scene = root / part / split / f"Image{i}"
            for row in range(1, 10):
                for column in range(1, 10):
                    view = np.roll(rgb, ((5 - row) // 2, (5 - column) // 2), (0, 1))
                    written(scene / f"{row}_{column}.png", view)
            if part == "real":
                written(scene / "label.png", colours[labels])
            else:
                np.save(scene / "5_5_label.npy", labels.astype(np.int64) + 1)


COPIES = {
    "DeLiVER": deliver,
    "MFNet": mfnet,
    "NYUDepthV2": nyu_depth_v2,
    "ZJU-RGB-P": zju_rgbp,
    "UrbanLF": urbanlf,
}


def recipe(root: Path) -> Path:
    """The shipped recipe with its data paths; reduced in size and steps, otherwise unchanged."""
    shipped = share_dir() / "config" / "train" / "five_datasets.yaml"
    content: dict[str, Any] = yaml.safe_load(shipped.read_text("utf-8"))
    content["model"] |= {"preset": "b0", "head_width": 32}
    content["clip_tuning"] |= {"steps": 1, "batch": 6}
    content["augment"]["crop"] = [64, 64]
    content["optimiser"] |= {"steps": 2, "batch": 6, "warm_up": 1, "validate_every": 2}
    content["short_side"] = 64
    path = root / "config" / "train" / "five_datasets.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
def test_one_model_of_five_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    for name, made in COPIES.items():
        made(tmp_path / "data" / name)
    folder = train(recipe(tmp_path), tmp_path / "out")
    said = capsys.readouterr().out
    for line in (
        "deliver test, event",
        "deliver test, depth",
        "mfnet test, thermal",
        "nyu_depth_v2 test, depth",
        "zju_rgbp val, polarization",
    ):
        assert f"  {line}: 0." in said
    card = load_model(folder).card
    assert set(card.modalities) == set(MODALITIES)
    assert card.label_set.name == "unified"
    opened = [
        open_dataset(dataset, tmp_path / "data" / copy, split, DatasetOptions(x=x))
        for dataset, copy, split, x in (
            ("deliver", "DeLiVER", "test", "event"),
            ("deliver", "DeLiVER", "val", "depth"),
            ("mfnet", "MFNet", "test", None),
            ("nyu_depth_v2", "NYUDepthV2", "test", None),
            ("zju_rgbp", "ZJU-RGB-P", "val", None),
            ("urbanlf", "UrbanLF", "val", None),
        )
    ]
    for data in opened:
        segmenter = Segmenter(folder, "cpu", label_set=data.label_set.name)
        scores = evaluate(segmenter, data).overall
        assert scores.confusion.sum() == len(data) * SHAPE[0] * SHAPE[1], data.name
        assert scores.confusion.shape == (len(data.label_set),) * 2
    embed = SceneEmbedder(load_model(folder), "cpu")
    points = concatenated([embed(data, range(len(data))) for data in opened])
    assert set(points.sensors) == {"rgb", *MODALITIES}
    assert set(separation(points.vectors, points.sensors).by_group) == set(points.sensors)
