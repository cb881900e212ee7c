# SPDX-License-Identifier: Apache-2.0
"""Training recipes: YAML files with everything that a training depends on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from segrgbx_core.errors import RecipeError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.model.encoders.efficient_net import EFFICIENT_PRESETS
from segrgbx_core.model.segrgbx import ModelConfig
from segrgbx_core.training.clip.objective import ClipObjective
from segrgbx_core.training.clip.towers import LoraSettings


@dataclass(frozen=True)
class ScenesSource:
    """Still images of synthetic streets, rendered before the training; one seed per image."""

    count: int
    first_seed: int
    width: int = 400
    height: int = 300
    modality: str = "thermal"
    conditions: tuple[str, ...] = ("day", "dusk", "night", "fog", "glare")


@dataclass(frozen=True)
class Source:
    """A source of samples: scenes, or a folder (relative to the recipe).

    dataset: the dataset whose layout the folder has, as in `segrgbx data`; None is the plain
    folder format. split, x, depth_scale, labels_from: options of the dataset, as in
    `segrgbx data`; the default split is train. label_set: the samples' label set, if it differs
    from the recipe's `label_set`.
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
                "A data source has split, x, depth_scale or labels_from, but no 'dataset'; name "
                "it, or leave them out."
            )
        if self.dataset is not None and self.folder is None:
            raise RecipeError(f"Dataset '{self.dataset}' has no 'folder'; give its root.")
        if self.scenes is not None and self.scenes.count < 1:
            raise RecipeError(f"A data source has {self.scenes.count} scenes; expected 1 or more.")


@dataclass(frozen=True)
class Data:
    """The samples for training and for selecting the best weights, of one or several sensors.

    test: samples on which the best weights are scored once, at the end; they influence nothing.
    size_power: a source of n samples is drawn in proportion to n to this power; 1 treats all
    samples equally, 0 all sources. batches: "mixed" allows several sensors in a batch,
    "by_modality" only one.
    """

    train: tuple[Source, ...]
    validation: tuple[Source, ...]
    test: tuple[Source, ...] = ()
    size_power: float = 0.5
    batches: Literal["mixed", "by_modality"] = "mixed"


@dataclass(frozen=True)
class AugmentStage:
    """Values of `augment` from a part of the training on; None keeps the value before.

    after: share of the steps, above 0 and below 1.
    """

    after: float
    crop: tuple[int, int] | None = None
    area: tuple[float, float] | None = None
    x_noise: float | None = None
    x_dropout: float | None = None
    x_raw_noise: float | None = None
    x_wrong: float | None = None
    x_late: float | None = None
    rgb_dark: float | None = None


@dataclass(frozen=True)
class Augment:
    """Random changes of a sample.

    crop: height and width in pixels. area: smallest and largest share of the image that a crop
    covers. jitter: largest relative change of RGB brightness, contrast and saturation. x_noise:
    largest standard deviation of the noise on the X planes; it also scales each sensor's other
    faults (see `disturbed`). x_dropout: share of samples that are trained without X. x_shift:
    largest displacement of X against RGB in pixels. rgb_dark: share of the samples with X whose
    RGB is darkened strongly, so that the model learns early to use X. x_raw: share of the samples
    whose raw reading gets its sensor's faults before it is encoded (see `Encoding.worn`).
    x_raw_noise: share of the samples with noise on the raw reading, as `evaluate --degrade noise`
    adds it, of up to a fifth of its usual range. x_wrong: share of the samples whose X is useless,
    so that the model learns to do without it: very noisy, displaced far, or of another sample.
    x_late: share of the samples whose X looks like that of another moment of a drive: larger or
    smaller about a point near the middle. later: values that change during the training, in order.
    """

    crop: tuple[int, int] = (192, 256)
    area: tuple[float, float] = (0.25, 1.0)
    flip: float = 0.5
    jitter: float = 0.3
    x_noise: float = 0.03
    x_shift: int = 2
    x_dropout: float = 0.1
    rgb_dark: float = 0.0
    x_raw: float = 0.0
    x_raw_noise: float = 0.0
    x_wrong: float = 0.0
    x_late: float = 0.0
    later: tuple[AugmentStage, ...] = ()

    @property
    def uses_x(self) -> bool:
        """Whether any stage trains samples with X."""
        return any(values.x_dropout < 1 for _, values in self.stages())

    def stages(self) -> tuple[tuple[float, "Augment"], ...]:
        """The share of the steps at which each set of values begins, from 0 on, and the values."""
        stages = [(0.0, replace(self, later=()))]
        for change in self.later:
            named = {f.name: getattr(change, f.name) for f in fields(change) if f.name != "after"}
            given = {name: value for name, value in named.items() if value is not None}
            stages.append((change.after, replace(stages[-1][1], **given)))
        return tuple(stages)


@dataclass(frozen=True)
class HardPixels:
    """Learning only from hard pixels: those whose true class is less probable than `threshold`.

    At least the share `least` of the labelled pixels is used.
    """

    threshold: float = 0.7
    least: float = 0.1


@dataclass(frozen=True)
class Optimiser:
    """AdamW with linear warm-up and polynomial decay.

    batch: samples per step, over all processes. accumulate: number of parts of a batch that go
    through the network one after the other, to save memory. class_balance: the loss weight of a
    class is its frequency to minus this power. encoder_rate: the learning rate of the encoder, and
    of an EfficientNet as MA-CLIP's tower, relative to `learning_rate`; less than 1 suits
    pretrained weights. ema: decay of the averaged weights. precision: "auto", "float32", "bf16" or
    "fp16"; "auto" is float32 on the CPU. ohem: None learns from all pixels.
    """

    steps: int
    batch: int = 8
    accumulate: int = 1
    learning_rate: float = 6e-4
    encoder_rate: float = 1.0
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
    """The tuning of MA-CLIP's tower before the training, which then freezes it.

    weights: a file of open_clip weights for `model.clip`, relative to the recipe's folder; None
    starts from random weights. lora: None tunes all parameters.
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

    short_side: shorter side of the image at inference, in pixels. clip_tuning: None trains
    MA-CLIP's tower, if the model has one, together with the rest. start_from: a model folder of
    this project or a checkpoint of another project, relative to the recipe's folder; it fills the
    parts that it contains. label_set: the samples' label set, by name or file (relative to the
    recipe's folder), for a model over the union that the set belongs to; a source may name
    another part of the same union.
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
    limits: str | None = None


def load_recipe(path: Path) -> Recipe:
    """Reads a recipe from a YAML file.

    Raises RecipeError for a missing file, broken YAML, unknown or missing keys, wrong types and
    values out of range.
    """
    if not path.is_file():
        raise RecipeError(f"Recipe {path} was not found; shipped ones are under config/train/.")
    recipe = filled(Recipe, read_yaml(path, RecipeError), path.name, RecipeError)
    _check(recipe, path.name)
    return recipe


@dataclass(frozen=True)
class RecipeFile:
    """A recipe and its file; the recipe's paths are relative to the file's folder."""

    recipe: Recipe
    path: Path

    @classmethod
    def read(cls, path: Path) -> "RecipeFile":
        """Reads the file. Raises the errors of `load_recipe`."""
        return cls(load_recipe(path), path)

    @property
    def name(self) -> str:
        """The file's name, for error messages."""
        return self.path.name

    @property
    def folder(self) -> Path:
        """The folder to which the recipe's paths are relative."""
        return self.path.parent


def _check(recipe: Recipe, place: str) -> None:
    bounds = (
        ("optimiser.steps", recipe.optimiser.steps, 1, 10_000_000),
        ("optimiser.batch", recipe.optimiser.batch, 2, 4096),
        ("optimiser.learning_rate", recipe.optimiser.learning_rate, 1e-8, 1.0),
        ("optimiser.encoder_rate", recipe.optimiser.encoder_rate, 0.0, 10.0),
        ("optimiser.validate_every", recipe.optimiser.validate_every, 1, 10_000_000),
        ("optimiser.ema", recipe.optimiser.ema, 0.0, 0.99999),
        ("data.size_power", recipe.data.size_power, 0.0, 1.0),
        ("optimiser.accumulate", recipe.optimiser.accumulate, 1, recipe.optimiser.batch // 2),
        ("optimiser.weight_decay", recipe.optimiser.weight_decay, 0.0, 10.0),
        ("optimiser.warm_up", recipe.optimiser.warm_up, 0, 10_000_000),
        ("optimiser.power", recipe.optimiser.power, 0.0, 10.0),
        ("optimiser.class_balance", recipe.optimiser.class_balance, 0.0, 2.0),
        ("optimiser.gradient_clip", recipe.optimiser.gradient_clip, 1e-6, 1e6),
        ("seed", recipe.seed, 0, 2**32 - 1),
    )
    _check_bounds(bounds, place)
    _check_augment(recipe.augment, place)
    _check_clip(recipe, place)
    _check_hard_pixels(recipe, place)
    for name, sources in (("train", recipe.data.train), ("validation", recipe.data.validation)):
        if not sources:
            raise RecipeError(f"{place}: data.{name} is empty; name one source or more.")


def _check_bounds(bounds: Sequence[tuple[str, float, float, float]], place: str) -> None:
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise RecipeError(f"{place}: {name} is {value}; expected {low} to {high}.")


_SHARES = (
    *("flip", "jitter", "x_noise", "x_dropout", "x_raw", "x_raw_noise", "x_wrong", "x_late"),
    "rgb_dark",
)


def _check_augment(whole: Augment, place: str) -> None:
    begins = [change.after for change in whole.later]
    if begins != sorted(set(begins)) or not all(0 < share < 1 for share in begins):
        raise RecipeError(
            f"{place}: augment.later begins after {', '.join(f'{share:g}' for share in begins)}; "
            "expected rising shares of the steps, above 0 and below 1."
        )
    for _, a in whole.stages():
        bounds = [(f"augment.{name}", getattr(a, name), 0.0, 1.0) for name in _SHARES]
        crop = ("augment.crop", min(a.crop), 32, 4096)
        _check_bounds([*bounds, ("augment.x_shift", a.x_shift, 0, 64), crop], place)
        low, high = a.area
        if not 0 < low <= high <= 1:
            raise RecipeError(f"{place}: augment.area is {a.area}; expected 0 < a <= b <= 1.")


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
    if recipe.model.clip in EFFICIENT_PRESETS:
        raise RecipeError(
            f"{place}: clip_tuning is given, but model.clip is {recipe.model.clip}, which has no "
            "text tower and learns with the rest; leave clip_tuning out."
        )
    bounds = (
        ("clip_tuning.steps", stage.steps, 1, 10_000_000),
        ("clip_tuning.batch", stage.batch, 2, 4096),
        ("clip_tuning.learning_rate", stage.learning_rate, 1e-8, 1.0),
    )
    _check_bounds(bounds, place)
