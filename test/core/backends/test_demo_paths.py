# SPDX-License-Identifier: Apache-2.0
"""The fast ways through the demo model against the plain one, on streets of its test set."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from segrgbx_core.backends.exporting import export_model
from segrgbx_core.encoding import encode
from segrgbx_core.model.preprocessing import resize_rgb, resize_x
from segrgbx_core.readings import Planes, RgbImage
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.weights.store import LoadedModel, load_model

# docs/models/demo.md: the first of the 120 streets that no training has seen.
FIRST_SEED = 2000004
SENSORS = ("event", "thermal", "depth", "polarization", "light_field")
LIGHT = ("day", "night")
CONFIDENCE = 1e-3
ALIKE = 0.999


@dataclass(frozen=True)
class Street:
    modality: str
    rgb: RgbImage
    planes: Planes


def street(number: int) -> Street:
    """By day and by night in turn."""
    modality, light, seed = SENSORS[number], LIGHT[number % 2], FIRST_SEED + number
    drive = Drive(DriveSettings(modality, 4.0, 10.0, 400, 300, seed, conditions=(light,)))
    planes = encode(modality, drive.x_at(2.0).reading)
    return Street(modality, drive.rgb_at(2.0).image, planes)


@pytest.fixture(scope="module")
def streets() -> list[Street]:
    return [street(number) for number in range(len(SENSORS))]


@pytest.fixture(scope="module")
def demo() -> LoadedModel:
    return load_model("demo")


@pytest.fixture(scope="module")
def plain(demo: LoadedModel, streets: list[Street]) -> list[npt.NDArray[np.float32]]:
    """Each street's probabilities, (classes, H, W): the model called as a function, its logits
    resized, and softmax."""
    return [probabilities(demo, seen) for seen in streets]


@torch.inference_mode()
def probabilities(demo: LoadedModel, seen: Street) -> npt.NDArray[np.float32]:
    prepare, image = demo.card.preprocessing, seen.rgb.shape[:2]
    size = prepare.inference_size(image[0], image[1])
    rgb = resize_rgb(torch.from_numpy(seen.rgb.copy()).permute(2, 0, 1)[None], size)
    data, valid = (torch.from_numpy(part)[None] for part in (seen.planes.data, seen.planes.valid))
    x = prepare.normalise_x(*resize_x(data, valid, size))
    logits = demo.model.eval()(prepare.normalise_rgb(rgb), x, seen.modality)
    full = F.interpolate(logits, image, mode="bilinear", align_corners=False)
    return np.asarray(full.softmax(1)[0].numpy(), np.float32)


def check(result: Segmentation, shares: npt.NDArray[np.float32]) -> None:
    assert (result.labels == shares.argmax(0)).mean() >= ALIKE
    np.testing.assert_allclose(result.confidence, shares.max(0), atol=CONFIDENCE)


def test_torch_with_the_read_out_in_strips(
    demo: LoadedModel, streets: list[Street], plain: list[npt.NDArray[np.float32]]
) -> None:
    segmenter = Segmenter(demo, device="cpu", precision="float32", backend="eager")
    for seen, shares in zip(streets, plain, strict=True):
        check(segmenter(seen.rgb, seen.planes, seen.modality), shares)


@pytest.mark.slow
def test_the_exported_graph(
    streets: list[Street],
    plain: list[npt.NDArray[np.float32]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed; it is in extra onnx")
    monkeypatch.setenv("SEGRGBX_CACHE", str(tmp_path))
    export_model(load_model("demo"), (300, 400))
    segmenter = Segmenter("demo", device="cpu", backend="onnxruntime")
    for seen, shares in zip(streets, plain, strict=True):
        check(segmenter(seen.rgb, seen.planes, seen.modality), shares)
    assert segmenter.backend == "onnxruntime"
