# SPDX-License-Identifier: Apache-2.0
"""A recipe's YAML: values are read as written, and errors name the line."""

from pathlib import Path

import pytest

from segrgbx_core.errors import RecipeError
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.training.recipe import load_recipe

GOOD = """
name: t
description: d
seed: 1
data:
  train: {folder: a}
  validation: {folder: b}
optimiser:
  steps: 10
  learning_rate: 1.0e-3
"""


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "1.e-3", "0.1e-2", "10e-4", "0.001"])
def test_a_rate_may_be_written_as_people_do(tmp_path: Path, number: str) -> None:
    recipe = load_recipe(written(tmp_path, GOOD.replace("1.0e-3", number)))
    assert recipe.optimiser.learning_rate == pytest.approx(1e-3)


@pytest.mark.parametrize("text", ["e3", "1e", "v1e-3x", '"1e-3"'])
def test_what_is_no_number_stays_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match=r"learning_rate is '.*'; .*number"):
        load_recipe(written(tmp_path, GOOD.replace("1.0e-3", text)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD + "seed: 2\n", r"recipe.yaml, line 11: .*'seed' .*twice"),
        (GOOD + "  steps: 20\n", r"line 11: .*'steps' .*twice"),
        (
            GOOD.replace("  steps", "\tsteps"),
            r"line 9: not readable YAML, found character",
        ),
        (GOOD + "augment: {crop: [64, 64}\n", r"line 11: not readable YAML, .*'\]'"),
        ("name: {{a: b}}\n", r"line 1: .*key .*mapping"),
        (GOOD + "made: 2024-13-45\n", r"out of range .*month .*1..12"),
        (b"\x00\x01", "control characters"),
        (b"name: \xff\xfe", "not text in UTF-8"),
    ],
)
def test_a_mistake_is_named_by_its_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        load_recipe(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_anchors_and_merges_still_work(tmp_path: Path) -> None:
    text = "a: &x {one: 1, two: 2}\nb: {<<: *x, two: 3}\nc: *x\n"
    content = read_yaml(written(tmp_path, text), RecipeError)
    assert content == {
        "a": {"one": 1, "two": 2},
        "b": {"one": 1, "two": 3},
        "c": {"one": 1, "two": 2},
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("weight_decay: -1.0", "weight_decay is -1.0; expected 0.0"),
        ("weight_decay: .nan", "weight_decay is nan"),
        ("warm_up: -3", "warm_up is -3; expected 0"),
        ("power: -1.0", "power is -1.0"),
        ("class_balance: .inf", "class_balance is inf"),
        ("gradient_clip: 0.0", "gradient_clip is 0.0; expected 1e-06"),
    ],
)
def test_numbers_that_teach_nothing_are_refused(tmp_path: Path, change: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        load_recipe(written(tmp_path, f"{GOOD}  {change}\n"))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("seed: 1", "seed: 1000000000000000000000000000000", "seed is 1000.*; .*0 to"),
        ("train: {folder: a}", "train: a", "train is 'a'; .*mapping, or a list"),
        (
            "train: {folder: a}",
            "train: {scenes: {count: 0, first_seed: 1}}",
            "0 scenes; .*1 or more",
        ),
    ],
)
def test_more_that_cannot_be(tmp_path: Path, before: str, after: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        load_recipe(written(tmp_path, GOOD.replace(before, after)))
