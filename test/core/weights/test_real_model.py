# SPDX-License-Identifier: Apache-2.0
"""The shipped model for real images: what it is, and that X helps on real ones."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core import Segmenter, load_model
from segrgbx_core.datasets import DatasetOptions, open_dataset
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.files.images import read_reading, read_rgb
from segrgbx_core.files.resources import share_dir
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.modality import MODALITIES
from segrgbx_core.readings import ImageReading
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.weights.store import model_folder


def test_the_card_says_plainly_what_it_rests_on() -> None:
    card = load_model("real").card
    assert "research use" in card.license
    for words in ("MFNet", "NYUDepthV2", "CamVid", "polarization", "unproven", "research use"):
        assert words in card.description
    assert set(card.modalities) == set(MODALITIES)
    assert card.label_set == load_label_set("unified")
    assert card.training["recipe"] == "real.yaml"


def test_it_is_the_architecture_of_its_recipe_and_small() -> None:
    assert (
        load_model("real").card.architecture
        == load_recipe(share_dir() / "config/train/real.yaml").model
    )
    assert (model_folder("real") / "model.safetensors").stat().st_size <= 20_000_000


@pytest.mark.shared_data
def test_thermal_finds_people_at_night_that_rgb_does_not(shared_data: Path) -> None:
    data = open_dataset("mfnet", shared_data / "mfnet", "test")
    segmenter = Segmenter("real", "cpu", label_set="mfnet")
    night = [i for i, place in enumerate(data.places) if place.condition == "night"]
    person = []
    for use_x in (True, False):
        scores = evaluate(segmenter, data, use_x, indices=night).overall
        person.append(scores.per_class_iou["person"] or 0.0)
    assert person[0] >= 0.2
    assert person[0] >= person[1] + 0.1


@pytest.mark.shared_data
def test_it_names_the_furniture_of_rooms(shared_data: Path) -> None:
    root = shared_data / "nyudepthv2"
    data = open_dataset("nyu_depth_v2", root, "test", DatasetOptions(depth_scale=6528.0))
    segmenter = Segmenter("real", "cpu", label_set="nyu_depth_v2")
    scores = evaluate(segmenter, data, indices=range(0, len(data), 40)).overall
    assert scores.pixel_accuracy is not None
    assert scores.pixel_accuracy >= 0.45


@pytest.mark.shared_data
def test_a_camera_with_holes_is_read_as_well(shared_data: Path) -> None:
    """Depth in whole millimetres with holes, of a camera that no training frame is from."""
    frames = sorted((shared_data / "depth" / "seven_scenes").glob("*.color.jpg"))
    assert frames
    segmenter = Segmenter("real", "cpu", label_set="nyu_depth_v2")
    agree = []
    for path in frames:
        depth = read_reading(path.with_name(path.name.replace("color.jpg", "depth.png")))
        rgb = read_rgb(path)
        holes = (depth == 0) | (depth == 65535)
        assert holes.mean() > 0.01
        raw, filled = (segmenter(rgb, d, "depth") for d in (depth, _filled(depth, holes)))
        agree.append(float((raw.labels == filled.labels).mean()))
        assert len(np.unique(raw.labels)) >= 3
    assert float(np.mean(agree)) >= 0.75


def _filled(depth: ImageReading, holes: npt.NDArray[np.bool_]) -> ImageReading:
    """Holes grow over by the farthest of their neighbours."""
    known = np.where(holes, 0, depth).astype(np.uint16)
    while (known == 0).any():
        grown = cv2.dilate(known, np.ones((3, 3), np.uint8))
        known = np.where(known == 0, grown, known).astype(np.uint16)
    return known
