# SPDX-License-Identifier: Apache-2.0
"""The demo model's logits against those kept in demo_golden.yaml.

After the demo model was replaced on purpose, rewrite the file with

    .venv/bin/python test/core/weights/test_demo_golden.py
"""

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import yaml

from segrgbx_core.weights.store import LoadedModel, load_model

GOLDEN = Path(__file__).with_name("demo_golden.yaml")
REWRITE = ".venv/bin/python test/core/weights/test_demo_golden.py"
HEIGHT, WIDTH = 95, 126
PLACES = ((5, 5), (20, 100), (47, 63), (60, 30), (80, 90), (94, 125))
TOLERANCE = 2e-3
SENSORS = ("event", "thermal", "depth", "polarization", "light_field")
NO_X = "without X"


def _street() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Made of whole numbers alone: a sky above a road, and a warm box on it.

    rgb (HEIGHT, WIDTH, 3) uint8, planes (3, HEIGHT, WIDTH) float32 in 0..1.
    """
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    sky = row < 40
    rgb = np.where(sky[..., None], (120, 160, 220), (90, 90, 95))
    rgb = rgb + ((row * 7 + column * 13) % 11 - 5)[..., None]
    box = (row >= 50) & (row < 75) & (column >= 20) & (column < 45)
    rgb[box] = (150, 30, 40)
    warmth = np.where(sky, 8, 96) + (row + column) % 16
    warmth[box] = 240
    planes = np.stack([warmth, np.minimum(warmth + 10, 255), 128 + (warmth - 128) // 4]) / 256
    return rgb.astype(np.uint8), planes.astype(np.float32)


def _logits(loaded: LoadedModel) -> dict[str, npt.NDArray[np.float32]]:
    """(classes, HEIGHT, WIDTH) with X, taken for each sensor's planes, and without."""
    rgb, planes = _street()
    prepare = loaded.card.preprocessing
    image = prepare.normalise_rgb(torch.from_numpy(rgb).permute(2, 0, 1)[None])
    valid = torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool)
    x = prepare.normalise_x(torch.from_numpy(planes)[None], valid)
    with torch.no_grad():
        outputs = {name: loaded.model(image, x, name) for name in SENSORS}
        outputs[NO_X] = loaded.model(image, None)
    return {name: logits[0].numpy() for name, logits in outputs.items()}


def _slices(logits: npt.NDArray[np.float32]) -> dict[str, list[float]]:
    """All classes at some places, and each class's mean over the image."""
    slices = {f"row {r}, column {c}": logits[:, r, c] for r, c in PLACES}
    slices["mean"] = logits.mean((1, 2))
    return {place: [round(float(v), 4) for v in values] for place, values in slices.items()}


def _sha256(loaded: LoadedModel) -> str:
    assert loaded.card.weights is not None
    return loaded.card.weights.sha256


@pytest.fixture(scope="module")
def demo() -> LoadedModel:
    return load_model("demo")


@pytest.fixture(scope="module")
def golden(demo: LoadedModel) -> dict[str, dict[str, list[float]]]:
    content = yaml.safe_load(GOLDEN.read_text("utf-8"))
    if content["sha256"] != _sha256(demo):
        pytest.fail(
            f"{GOLDEN.name} is of the weights with sha256 {content['sha256'][:12]}..., but "
            f"models/demo has {_sha256(demo)[:12]}...; if the demo model was replaced on purpose, "
            f"rewrite the file with `{REWRITE}`, else restore models/demo."
        )
    return dict(content["logits"])


@pytest.mark.parametrize("case", [*SENSORS, NO_X])
def test_logits_are_the_golden_ones(
    demo: LoadedModel, golden: dict[str, dict[str, list[float]]], case: str
) -> None:
    now, kept = _slices(_logits(demo)[case]), golden[case]
    assert now.keys() == kept.keys()
    for place, values in kept.items():
        assert now[place] == pytest.approx(values, abs=TOLERANCE), place


def test_the_golden_logits_tell_models_apart(golden: dict[str, dict[str, list[float]]]) -> None:
    kept = {case: np.array(list(values.values())) for case, values in golden.items()}
    for values in kept.values():
        assert np.ptp(values, axis=0).max() > 100 * TOLERANCE
    assert np.abs(kept["thermal"] - kept[NO_X]).max() > 100 * TOLERANCE
    for one, other in itertools.combinations(SENSORS, 2):
        assert np.abs(kept[one] - kept[other]).max() > 2 * TOLERANCE, (one, other)


def _write() -> None:
    loaded = load_model("demo")
    logits = {case: _slices(values) for case, values in _logits(loaded).items()}
    content = {"sha256": _sha256(loaded), "logits": logits}
    header = f"# Written by `{REWRITE}`; classes in the order of their ids.\n"
    text = yaml.safe_dump(content, sort_keys=False, width=99, default_flow_style=None)
    GOLDEN.write_text(header + text, "utf-8")
    print(f"{GOLDEN} now holds the logits of the weights with sha256 {_sha256(loaded)[:12]}...")


if __name__ == "__main__":
    _write()
