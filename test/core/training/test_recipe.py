# SPDX-License-Identifier: Apache-2.0
"""Recipes: defaults, required and unknown keys, and the shipped files."""

from dataclasses import replace
from pathlib import Path

import pytest

from segrgbx_core.datasets import DATASETS
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.files.resources import share_dir
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.labels.union import load_membership
from segrgbx_core.modality import MODALITIES
from segrgbx_core.model import SegRgbX
from segrgbx_core.model.presets import COMPONENTS
from segrgbx_core.training.recipe import Recipe, load_recipe
from segrgbx_core.training.step import learning_rate

GOOD = """
name: t
description: d
seed: 1
data:
  train: {scenes: {count: 4, first_seed: 0}}
  validation: {scenes: {count: 2, first_seed: 9}}
optimiser: {steps: 10, learning_rate: 1.0, warm_up: 4}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def shipped(name: str) -> Recipe:
    return load_recipe(share_dir() / "config" / "train" / f"{name}.yaml")


def test_a_recipe_and_its_defaults(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, GOOD))
    (source,) = recipe.data.train
    assert source.scenes is not None
    assert source.scenes.count == 4
    assert recipe.model.preset == "b0"
    assert recipe.augment.crop == (192, 256)


def test_the_rate_warms_up_and_decays_to_nothing(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, GOOD))
    rates = [learning_rate(recipe, step) for step in range(11)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    # Half of the six steps after warm-up are left: 0.5 ** 0.9.
    assert rates[7] == pytest.approx(0.5**0.9)
    assert rates[10] == 0.0


def test_sources_may_be_many_and_of_many_kinds(tmp_path: Path) -> None:
    many = GOOD.replace(
        "train: {scenes: {count: 4, first_seed: 0}}",
        "train: [{folder: a}, {dataset: mfnet, folder: b, split: train}, "
        "{scenes: {count: 1, first_seed: 5, modality: depth}}]",
    )
    sources = load_recipe(written(tmp_path, many)).data.train
    assert [source.folder for source in sources] == ["a", "b", None]
    assert sources[1].dataset == "mfnet"
    assert sources[2].scenes is not None
    assert sources[2].scenes.modality == "depth"


def test_the_general_recipe_has_every_sensor_and_a_small_model() -> None:
    recipe = shipped("general")
    assert set(recipe.model.modalities) == set(MODALITIES)
    assert recipe.model.components == COMPONENTS
    for sources in (recipe.data.train, recipe.data.validation):
        scenes = [source.scenes for source in sources if source.scenes is not None]
        assert {s.modality for s in scenes} == set(MODALITIES)
        assert len({s.count for s in scenes}) == 1
        # No street is seen with two sensors, and none is both learnt and validated.
        seeds = [set(range(s.first_seed, s.first_seed + s.count)) for s in scenes]
        assert sum(map(len, seeds)) == len(set().union(*seeds))
    size = sum(p.numel() for p in SegRgbX(recipe.model).parameters())
    assert size * 2 < 20e6


def test_the_recipe_for_one_sensor_is_small() -> None:
    thermal, general = shipped("thermal"), shipped("general")
    assert thermal.model.components == ()
    assert thermal.start_from == general.start_from == "imagenet"
    assert (thermal.model.preset, thermal.model.reduction) == (
        general.model.preset,
        general.model.reduction,
    )


def test_the_general_recipes_control_differs_in_x_alone() -> None:
    general, rgb_only = shipped("general"), shipped("general_rgb_only")
    assert (general.name, rgb_only.name) == ("general", "general_rgb_only")
    assert general.start_from == rgb_only.start_from == "imagenet"
    assert rgb_only.data == general.data
    assert rgb_only.optimiser == general.optimiser
    assert rgb_only.seed == general.seed
    assert rgb_only.short_side == general.short_side
    assert rgb_only.augment.x_dropout == 1.0
    assert rgb_only.model == replace(general.model, components=(), modalities=tuple(MODALITIES))
    frames = [
        [(begin, a.crop, a.area, a.jitter) for begin, a in recipe.augment.stages()]
        for recipe in (general, rgb_only)
    ]
    assert frames[0] == frames[1]


def test_the_real_recipe_answers_over_the_union() -> None:
    real = shipped("real")
    assert real.model.num_classes == len(load_label_set("unified")) == 70
    sources = (*real.data.train, *real.data.validation, *real.data.test)
    assert all(source.label_set for source in sources)
    assert {s.scenes.modality for s in real.data.train if s.scenes} == set(MODALITIES)


@pytest.mark.parametrize(
    "name",
    [
        *("thermal", "general", "general_rgb_only"),
    ],
)
def test_the_scenes_recipes_answer_in_the_streets_classes(name: str) -> None:
    assert shipped(name).model.num_classes == len(load_label_set("street")) == 11


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "colour: red", "unknown keys colour; .*name, description"),
        (GOOD.replace("steps: 10, ", ""), "lacks steps"),
        (GOOD.replace("seed: 1", "seed: one"), "seed is 'one'; .*whole number"),
        (GOOD.replace("steps: 10", "steps: 0"), "optimiser.steps is 0; expected 1"),
        (GOOD.replace("count: 4", "count: yes"), "count is True; .*whole number"),
        (GOOD + "augment: {crop: [192]}", "crop has 1 values; .*2"),
        (GOOD + "augment: {area: [0.9, 0.1]}", "augment.area"),
        (GOOD + "model: {preset: b7}", "'b7' is unknown; .*b0"),
        (GOOD.replace("scenes: {count: 4, first_seed: 0}", ""), "exactly one of"),
        (GOOD.replace("{scenes: {count: 4, first_seed: 0}}", "[]"), "data.train is empty; name"),
        (
            GOOD.replace("{scenes: {count: 4, first_seed: 0}}", "[3]"),
            r"train\[0\] is 3; exp",
        ),
        (GOOD.replace("scenes: {count: 4, first_seed: 0}", "folder: a, split: b"), "no 'dataset'"),
        (GOOD.replace("first_seed: 0}}", "first_seed: 0}, dataset: mfnet}"), "has no 'folder'"),
        (
            GOOD.replace("data:", "data:\n  batches: odd"),
            "'odd'; .*mixed or by_mo",
        ),
        (
            GOOD.replace("data:", "data:\n  size_power: 2"),
            "size_power is 2.0; expected 0.0",
        ),
        (
            GOOD.replace("steps: 10", "steps: 10, accumulate: 8"),
            "accumulate is 8; .*1 to",
        ),
        (
            GOOD.replace("steps: 10", "steps: 10, ohem: {least: 0}"),
            "threshold 0.7 and",
        ),
        ("a: [", "recipe.yaml, line [12]: not readable YAML"),
    ],
)
def test_wrong_recipes_are_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SegRgbxError, match=words):
        load_recipe(written(tmp_path, text))


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(SegRgbxError, match=r"absent.yaml was not found"):
        load_recipe(tmp_path / "absent.yaml")


def test_the_five_datasets_recipe_names_what_there_is() -> None:
    recipe = shipped("five_datasets")
    modalities = set()
    for source in (*recipe.data.train, *recipe.data.validation, *recipe.data.test):
        assert source.dataset in DATASETS
        assert source.label_set is not None
        member = load_membership(source.label_set)
        assert len(member.unified) == recipe.model.num_classes
        assert source.split in DATASETS[source.dataset].counts
        assert source.x is None or source.x in DATASETS[source.dataset].sources
        modalities.add(source.dataset)
    assert len(modalities) == 5
    # Nothing that the best is chosen by is learnt from or reported as test; ZJU's val is its test.
    assert {source.split for source in recipe.data.train} == {"train"}
    assert {source.split for source in recipe.data.validation} == {"val"}
    tested = {(source.dataset, source.split) for source in recipe.data.test}
    assert tested == {
        ("deliver", "test"),
        ("mfnet", "test"),
        ("nyu_depth_v2", "test"),
        ("zju_rgbp", "val"),
    }
    assert not tested & {(source.dataset, source.split) for source in recipe.data.validation}
