# SPDX-License-Identifier: Apache-2.0
"""Surfaces of YAML and JSON files: calibrations, cards, labels, recipes, datasets, summaries."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console

from fuzz.messages import RGB, WARM
from fuzz.mutate import json_changed, yaml_changed
from fuzz.surface import Surface, as_file, need
from segrgbx_core.datasets.folder import FolderDataset
from segrgbx_core.files.resources import share_dir
from segrgbx_core.geometry.calibration import read_camera, read_extrinsic, read_homography
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.labels.union import load_membership
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.runs.figures import Percentiles, Spread
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.training.state import plain
from segrgbx_core.weights.card import card_text, load_card
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.commands.replay_table import print_summary
from segrgbx_ros.replay.summary import Frames, ModelFacts, Recording, ReplaySummary, read_summary

CAMERA = b"""image_width: 160
image_height: 120
camera_name: thermal
distortion_model: rational_polynomial
camera_matrix: {rows: 3, cols: 3, data: [144, 0, 80, 0, 144, 60, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 8, data: [0.1, 0, 0, 0, 0.01, 0, 0, 0]}
"""
HOMOGRAPHY = b"matrix: [[1.0, 0, 3.5], [0, 1.0, -2], [0, 0, 1]]\n"
EXTRINSICS = (
    b"translation: [0.1, 0.0, 0.02]\nrotation: [0.0, 0.0, 0.0, 1.0]\n",
    b"matrix: [1, 0, 0, 0.1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]\n",
)
DATASETS = (
    b"modality: thermal\nlabel_set: mfnet\nconditions: {a: night}\nvideo: true\n"
    b"settings: {unit: centikelvin}\n",
    b"modality: depth\nlabel_set: labels.yaml\n",
)
LABELS = b"classes:\n- {name: road, color: [1, 2, 3]}\n- {name: car, color: [4, 5, 6]}\n"


def finite(value: object, place: str = "") -> None:
    """Raises WrongResultError for a NaN or an infinity anywhere in the dataclasses."""
    if isinstance(value, float):
        need(math.isfinite(value), f"{place} is {value}")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            finite(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            finite(inner, f"{place}.{key}")
    elif isinstance(value, tuple | list):
        for inner in value:
            finite(inner, place)


def _camera(path: Path) -> None:
    camera = read_camera(path)
    need(np.isfinite(camera.k).all() and np.isfinite(camera.d).all(), "a camera's figures")
    camera.project(np.array([[0.1, -0.2], [0.05, 0.1], [1.0, 2.0]]))


def _extrinsic(path: Path) -> None:
    need(np.isfinite(read_extrinsic(path)).all(), "an extrinsic's figures")


def _homography(path: Path) -> None:
    need(np.isfinite(np.linalg.inv(read_homography(path).matrix)).all(), "a homography")


def _labels(path: Path) -> None:
    labels = load_label_set(path)
    need(labels.palette().shape == (256, 3) and 1 <= len(labels) <= 255, "a label set")


def _union(path: Path) -> None:
    member = load_membership(path)
    need(len(member.meets) == len(member.label_set), "a union")


def _card(path: Path) -> None:
    card = load_card(path.parent)
    finite(card, "card")
    need(card_text(card), "a card's text")
    means = torch.tensor([*card.preprocessing.rgb_mean, *card.preprocessing.x_std])
    need(torch.isfinite(means).all(), "means in float32")
    if card.architecture not in _built():
        with torch.device("meta"):
            SegRgbX(card.architecture)


@cache
def _built() -> tuple[object, ...]:
    return tuple(
        load_card(share_dir() / "models" / name).architecture for name in ("demo", "real")
    )


def _recipe(path: Path) -> None:
    recipe = load_recipe(path)
    finite(recipe, "recipe")
    need(plain(recipe), "a recipe")


def _dataset(path: Path) -> None:
    _with_images(path.parent)
    data = FolderDataset(path.parent)
    need(len(data) == 1, "one sample")
    sample = data[0]
    need(sample.labels.shape == sample.rgb.shape[:2], "sizes")


@cache
def _with_images(folder: Path) -> None:
    for kind, image in (("rgb", RGB), ("x", WARM), ("labels", RGB[..., 0] % 2)):
        (folder / kind).mkdir()
        cv2.imwrite(str(folder / kind / "a.png"), image)
    (folder / "labels.yaml").write_bytes(LABELS)


def _summary(path: Path) -> None:
    summary = read_summary(path.parent)
    finite(summary, "summary")
    text = summary.to_json()
    path.write_text(text)
    need(read_summary(path.parent) == summary, "a summary that reads back otherwise")
    print_summary(Console(file=io.StringIO(), width=100), summary, path.parent)


def _whole_summary() -> bytes:
    labels = load_label_set("mfnet")
    share = round(1 / (len(labels) + 1), 6)
    return (
        ReplaySummary(
            frames=Frames(50, 45, 43, 43, {"rgb_without_x": 7}),
            miou=0.5,
            per_class_iou={**dict.fromkeys(labels.names, 0.5), labels.names[-1]: None},
            pixel_accuracy=0.9,
            frames_scored=43,
            stage_ms={"decode": Percentiles(0.5, 0.9)},
            skew_ms=Spread(12.25, 27.0, 29.5),
            model="demo",
            card=ModelFacts("a", "Apache-2.0", ("thermal",), {"epochs": 40}),
            class_colors={c.name: c.color for c in labels.classes},
            modality="thermal",
            device="cpu",
            precision="float32",
            backend="eager",
            versions={"torch": "2"},
            topics=TopicsTaken("/rgb", "/x", None, None, None),
            topic_messages={"/rgb": 50},
            recording=Recording("out", 5.0, True, None),
            mean_confidence=0.8,
            class_fractions=dict.fromkeys((*labels.names, "unlabelled"), share),
            problems={},
            notes=["a note"],
        )
        .to_json()
        .encode()
    )


def _read(name: str, read: Callable[[Path], None], data: bytes) -> None:
    with as_file(data, name) as path:
        read(path)


def _shipped(pattern: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(share_dir().glob(pattern))]


def surfaces() -> Sequence[Surface]:
    """One for each kind of file."""
    table: tuple[tuple[str, str, Callable[[], Sequence[bytes]], Callable[[Path], None]], ...] = (
        ("camera-yaml", "camera.yaml", lambda: [CAMERA], _camera),
        ("homography-yaml", "homography.yaml", lambda: [HOMOGRAPHY], _homography),
        ("extrinsic-yaml", "extrinsic.yaml", lambda: EXTRINSICS, _extrinsic),
        ("label-set", "labels.yaml", lambda: [LABELS], _labels),
        ("union", "labels.yaml", _shipped("config/labels/mfnet.yaml"), _union),
        ("card", "card.yaml", _shipped("models/*/card.yaml"), _card),
        ("recipe", "recipe.yaml", _shipped("config/train/*.yaml"), _recipe),
        ("dataset-yaml", "dataset.yaml", lambda: DATASETS, _dataset),
    )
    yaml_files = tuple(
        Surface(name, seeds, partial(_read, file, read), yaml_changed)
        for name, file, seeds, read in table
    )
    summary = Surface(
        "summary-json",
        lambda: [_whole_summary()],
        partial(_read, "summary.json", _summary),
        json_changed,
    )
    return (*yaml_files, summary)
