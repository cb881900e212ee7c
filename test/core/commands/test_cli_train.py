# SPDX-License-Identifier: Apache-2.0
"""`segrgbx train` from the command line: refused arguments, and the check of a recipe."""

from pathlib import Path

import pytest

from segrgbx_core.datasets import render_stills
from segrgbx_core.scenes import DriveSettings
from segrgbx_ros.cli import main

RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 11, head_width: 32}}
data:
  train: {{folder: {data}}}
  validation: {{folder: {data}}}
augment: {{crop: [64, 64]}}
optimiser: {{steps: 4, batch: 4, learning_rate: {rate}, warm_up: 2, validate_every: 9}}
short_side: 64
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    render_stills(folder, DriveSettings(width=96, height=72, seed=0), 4)
    return folder


def _recipe(tmp_path: Path, data: Path, rate: str) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(data=data, rate=rate))
    return str(path)


@pytest.mark.parametrize(("rate", "status"), [("3.0e-3", 0), ("1.0e-8", 1)])
def test_the_check_says_whether_a_recipe_can_learn(
    tmp_path: Path, data: Path, rate: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", _recipe(tmp_path, data, rate), "--check", "--device", "cpu"]) == status
    said = capsys.readouterr().out
    assert "(4 thermal), 60 steps: loss 2." in said
    assert ("can learn" in said) == (status == 0)
    assert list(tmp_path.iterdir()) == [tmp_path / "tiny.yaml"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no output folder"),
        (["--out", "o", "--workers", "-1"], "--workers is -1"),
        (["--out", "o", "--device", "abacus"], "'abacus' is unknown"),
        (["--out", "o", "--resume"], "nothing to resume"),
    ],
)
def test_mistakes_are_said_in_words(
    tmp_path: Path,
    data: Path,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", _recipe(tmp_path, data, "1.0e-3"), *arguments]) == 2
    assert sentence in capsys.readouterr().err
