# SPDX-License-Identifier: Apache-2.0
"""A recipe over real and synthetic samples, of different sensors and different classes."""

from pathlib import Path

import pytest

from segrgbx_core.datasets.scenes import _finish, _still, still_stems
from segrgbx_core.datasets.writing import start_folder
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import train
from segrgbx_core.weights.store import load_model

RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 20, head_width: 32, components: [modality_embedding]}}
data:
  train:
    - {{dataset: mfnet, folder: {mfnet}, split: train, label_set: nine.yaml}}
    - {{folder: {stills}, label_set: eleven.yaml}}
  validation: {{folder: {stills}, label_set: eleven.yaml}}
augment: {{crop: [96, 96]}}
optimiser: {{steps: 2, batch: 4, learning_rate: 1.0e-3, warm_up: 1, validate_every: 2}}
short_side: 96
"""


def _union(folder: Path) -> None:
    """The classes of both sets side by side."""
    sets = {"nine": load_label_set("mfnet"), "eleven": load_label_set("street")}
    lines = {
        name: [
            f"- {{name: {c.name}, color: {list(c.color)}, meets: {name}_{c.name}}}"
            for c in label_set.classes
        ]
        for name, label_set in sets.items()
    }
    for name, own in lines.items():
        text = f"name: {name}\nunified: union.yaml\nclasses:\n" + "\n".join(own)
        (folder / f"{name}.yaml").write_text(text)
    both = [
        f"- {{name: {name}_{c.name}, color: [{i}, {j}, 9]}}"
        for i, (name, label_set) in enumerate(sets.items())
        for j, c in enumerate(label_set.classes)
    ]
    (folder / "union.yaml").write_text("name: union\nclasses:\n" + "\n".join(both))


@pytest.mark.shared_data
def test_real_and_synthetic_sources_train_one_model(shared_data: Path, tmp_path: Path) -> None:
    stills = tmp_path / "stills"
    start_folder(stills)
    for seed in (0, 1):
        _still(stills, DriveSettings(modality="depth", width=96, height=72, seed=seed))
    _finish(stills, "depth", dict.fromkeys(still_stems(0, 2), "day"))
    _union(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(mfnet=shared_data / "mfnet", stills=stills))
    card = load_model(train(path, tmp_path / "out")).card
    assert card.modalities == ("thermal", "depth")
    assert len(card.label_set) == 20
