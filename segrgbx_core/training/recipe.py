# SPDX-License-Identifier: Apache-2.0
"""Training recipes: YAML files that say everything a training depends on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from segrgbx_core.errors import RecipeError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.model.segrgbx import ModelConfig
from segrgbx_core.training.clip.objective import ClipObjective
from segrgbx_core.training.clip.towers import LoraSettings


@dataclass(frozen=True)
class ScenesSource:
    """Stills of synthetic streets, rendered before the training: one seed a still."""

    count: int
    first_seed: int
    width: int = 400
    height: int = 300
    modality: str = "thermal"
    conditions: tuple[str, ...] = ("day", "dusk", "night", "fog", "glare")


@dataclass(frozen=True)
class Source:
    """Where samples come from: scenes, or a folder (relative to the recipe).

    dataset: whose layout the folder has, a name of `segrgbx data`'s; None is the plain folder
    format. split, x, depth_scale, labels_from: of that dataset, as `segrgbx data` has them; the
    split is train where none is named. label_set: the samples' set, where it is another than the
    recipe's `label_set`.
    """

    folder: str | None = None
    scenes: ScenesSource | None = None
    dataset: str | None = None
    split: str | None = None
    x: str | None = None
    depth_scale: float | None = None
    labels_from: int | None = None
    label_set: str | None = None

    def __post_init__(self) -> None:
        if (self.folder is None) == (self.scenes is None):
            raise RecipeError("A data source needs exactly one of 'folder' and 'scenes'.")
        of_dataset = (self.split, self.x, self.depth_scale, self.labels_from)
        if self.dataset is None and of_dataset != (None,) * 4:
            raise RecipeError(
                "A data source has split, x, depth_scale or labels_from, but no 'dataset' that "
                "they belong to; name it, or leave them out."
            )
        if self.dataset is not None and self.folder is None:
            raise RecipeError(f"Dataset '{self.dataset}' has no 'folder'; give its root.")
        if self.scenes is not None and self.scenes.count < 1:
            raise RecipeError(f"A data source has {self.scenes.count} scenes; expected 1 or more.")


@dataclass(frozen=True)
class Data:
    """Samples to train on and samples to choose the best weights by, of one sensor or several.

    test: samples that the best weights are scored on once, at the end; nothing is chosen by them.
    size_power: a source of n samples is drawn in proportion to n to this power; 1 as if all were
    one set, 0 all sources alike. batches: "mixed", each sample of a batch with its own sensor, or
    "by_modality", each batch of one sensor alone.
    """

    train: tuple[Source, ...]
    validation: tuple[Source, ...]
    test: tuple[Source, ...] = ()
    size_power: float = 0.5
    batches: Literal["mixed", "by_modality"] = "mixed"


@dataclass(frozen=True)
class Augment:
    """Random changes of a sample.

    crop: height and width in pixels. area: share of the image a crop covers, least and most.
    jitter: relative change of RGB brightness, contrast and saturation. x_noise: standard
    deviation added to the X planes, at most, and the measure of each sensor's other faults (see
    `disturbed`). x_dropout: share of samples trained without X. x_shift: pixels by which X is
    moved against RGB, at most. rgb_dark: share of the samples with X whose RGB is darkened until
    it tells little, so that what X tells is learnt early, and not only where RGB fails by itself.
    """

    crop: tuple[int, int] = (192, 256)
    area: tuple[float, float] = (0.25, 1.0)
    flip: float = 0.5
    jitter: float = 0.3
    x_noise: float = 0.03
    x_shift: int = 2
    x_dropout: float = 0.1
    rgb_dark: float = 0.0


@dataclass(frozen=True)
class HardPixels:
    """Learning from hard pixels alone: those whose true class has less probability than
    `threshold`, and never fewer than the share `least` of the labelled ones."""

    threshold: float = 0.7
    least: float = 0.1


@dataclass(frozen=True)
class Optimiser:
    """AdamW with linear warm-up and polynomial decay.

    batch: samples a step, over all processes. accumulate: parts of a batch that go through the
    network one after the other, for want of memory. class_balance: loss weight of a class is its
    frequency to minus this power. ema: decay of the averaged weights that are kept. precision:
    "auto", "float32", "bf16" or "fp16"; "auto" is float32 on the CPU. ohem: None learns from all
    pixels.
    """

    steps: int
    batch: int = 8
    accumulate: int = 1
    learning_rate: float = 6e-4
    weight_decay: float = 0.01
    warm_up: int = 100
    power: float = 0.9
    class_balance: float = 0.3
    gradient_clip: float = 1.0
    ema: float = 0.995
    validate_every: int = 250
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    ohem: HardPixels | None = None


@dataclass(frozen=True)
class ClipStage:
    """The tuning of MA-CLIP's tower, before the training; the tower is fixed from then on.

    weights: a file of open_clip's weights for `model.clip`, from the recipe's folder; None starts
    fresh. lora: None tunes all parameters.
    """

    steps: int
    batch: int = 16
    learning_rate: float = 1e-4
    weights: str | None = None
    lora: LoraSettings | None = None
    objective: ClipObjective = field(default_factory=ClipObjective)


@dataclass(frozen=True)
class Recipe:
    """One training.

    short_side: pixels of the image's shorter side at inference. clip_tuning: None leaves MA-CLIP's
    tower, where the model has one, to the training itself. start_from: a model
    folder of this project, or a checkpoint of another, from the recipe's folder, that fills the
    parts it has. label_set: the samples' set, by
    name or by a file from the recipe's folder, where the model is to answer over the union that
    the set is a part of; a source may name another part of the same union.
    """

    name: str
    description: str
    seed: int
    data: Data
    optimiser: Optimiser
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: Augment = field(default_factory=Augment)
    short_side: int | None = None
    clip_tuning: ClipStage | None = None
    start_from: str | None = None
    label_set: str | None = None
    license: str = "Apache-2.0"


def load_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file.

    Raises RecipeError for a missing file, broken YAML, unknown or missing keys, wrong types and
    values out of range.
    """
    if not path.is_file():
        raise RecipeError(f"Recipe {path} was not found; shipped ones lie under config/train/.")
    recipe = filled(Recipe, read_yaml(path, RecipeError), path.name, RecipeError)
    _check(recipe, path.name)
    return recipe


@dataclass(frozen=True)
class RecipeFile:
    """A recipe and the file that it was read from, from whose folder its paths start."""

    recipe: Recipe
    path: Path

    @classmethod
    def read(cls, path: Path) -> "RecipeFile":
        """Errors as `load_recipe`."""
        return cls(load_recipe(path), path)

    @property
    def name(self) -> str:
        """The file's name, by which errors call it."""
        return self.path.name

    @property
    def folder(self) -> Path:
        """Where the recipe's relative paths start."""
        return self.path.parent


def _check(recipe: Recipe, place: str) -> None:
    bounds = (
        ("optimiser.steps", recipe.optimiser.steps, 1, 10_000_000),
        ("optimiser.batch", recipe.optimiser.batch, 2, 4096),
        ("optimiser.learning_rate", recipe.optimiser.learning_rate, 1e-8, 1.0),
        ("optimiser.validate_every", recipe.optimiser.validate_every, 1, 10_000_000),
        ("optimiser.ema", recipe.optimiser.ema, 0.0, 0.99999),
        ("augment.flip", recipe.augment.flip, 0.0, 1.0),
        ("augment.jitter", recipe.augment.jitter, 0.0, 1.0),
        ("augment.x_dropout", recipe.augment.x_dropout, 0.0, 1.0),
        ("augment.rgb_dark", recipe.augment.rgb_dark, 0.0, 1.0),
        ("augment.x_noise", recipe.augment.x_noise, 0.0, 1.0),
        ("augment.x_shift", recipe.augment.x_shift, 0, 64),
        ("augment.crop", min(recipe.augment.crop), 32, 4096),
        ("data.size_power", recipe.data.size_power, 0.0, 1.0),
        ("optimiser.accumulate", recipe.optimiser.accumulate, 1, recipe.optimiser.batch // 2),
        ("optimiser.weight_decay", recipe.optimiser.weight_decay, 0.0, 10.0),
        ("optimiser.warm_up", recipe.optimiser.warm_up, 0, 10_000_000),
        ("optimiser.power", recipe.optimiser.power, 0.0, 10.0),
        ("optimiser.class_balance", recipe.optimiser.class_balance, 0.0, 2.0),
        ("optimiser.gradient_clip", recipe.optimiser.gradient_clip, 1e-6, 1e6),
        ("seed", recipe.seed, 0, 2**32 - 1),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise RecipeError(f"{place}: {name} is {value}; expected {low} to {high}.")
    _check_clip(recipe, place)
    _check_hard_pixels(recipe, place)
    for name, sources in (("train", recipe.data.train), ("validation", recipe.data.validation)):
        if not sources:
            raise RecipeError(f"{place}: data.{name} is empty; name one source or more.")
    low_area, high_area = recipe.augment.area
    if not 0 < low_area <= high_area <= 1:
        raise RecipeError(
            f"{place}: augment.area is {recipe.augment.area}; expected 0 < a <= b <= 1."
        )


def _check_hard_pixels(recipe: Recipe, place: str) -> None:
    hard = recipe.optimiser.ohem
    if hard is not None and not (0 < hard.threshold <= 1 and 0 < hard.least <= 1):
        raise RecipeError(
            f"{place}: optimiser.ohem is threshold {hard.threshold} and least {hard.least}; "
            "expected both above 0 and up to 1."
        )


def _check_clip(recipe: Recipe, place: str) -> None:
    stage = recipe.clip_tuning
    if stage is None:
        return
    if "ma_clip" not in recipe.model.components:
        raise RecipeError(
            f"{place}: clip_tuning is given, but model.components lacks ma_clip; add it, or leave "
            "clip_tuning out."
        )
    for name, value, low, high in (
        ("clip_tuning.steps", stage.steps, 1, 10_000_000),
        ("clip_tuning.batch", stage.batch, 2, 4096),
        ("clip_tuning.learning_rate", stage.learning_rate, 1e-8, 1.0),
    ):
        if not low <= value <= high:
            raise RecipeError(f"{place}: {name} is {value}; expected {low} to {high}.")
