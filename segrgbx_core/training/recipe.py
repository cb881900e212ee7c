# SPDX-License-Identifier: Apache-2.0
"""Training recipes: YAML files that say everything a training depends on."""

import types
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from segrgbx_core.errors import RecipeError
from segrgbx_core.model.segrgbx import ModelConfig
from segrgbx_core.training.clip_objective import ClipObjective
from segrgbx_core.training.clip_towers import LoraSettings

T = TypeVar("T")


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
    """Where samples come from: a dataset folder (relative to the recipe), or scenes."""

    folder: str | None = None
    scenes: ScenesSource | None = None

    def __post_init__(self) -> None:
        if (self.folder is None) == (self.scenes is None):
            raise RecipeError("A data source needs exactly one of 'folder' and 'scenes'.")


@dataclass(frozen=True)
class Data:
    """Samples to train on and samples to choose the best weights by."""

    train: Source
    validation: Source


@dataclass(frozen=True)
class Augment:
    """Random changes of a sample.

    crop: height and width in pixels. area: share of the image a crop covers, least and most.
    jitter: relative change of RGB brightness, contrast and saturation. x_noise: standard
    deviation added to the X planes, at most. x_dropout: share of samples trained without X.
    x_shift: pixels by which X is moved against RGB, at most.
    """

    crop: tuple[int, int] = (192, 256)
    area: tuple[float, float] = (0.25, 1.0)
    flip: float = 0.5
    jitter: float = 0.3
    x_noise: float = 0.03
    x_shift: int = 2
    x_dropout: float = 0.1


@dataclass(frozen=True)
class Optimiser:
    """AdamW with linear warm-up and polynomial decay.

    class_balance: loss weight of a class is its frequency to minus this power. ema: decay of the
    averaged weights that are kept.
    """

    steps: int
    batch: int = 8
    learning_rate: float = 6e-4
    weight_decay: float = 0.01
    warm_up: int = 100
    power: float = 0.9
    class_balance: float = 0.3
    gradient_clip: float = 1.0
    ema: float = 0.995
    validate_every: int = 250


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
    tower, where the model has one, to the training itself. start_from: a checkpoint of another
    project, from the recipe's folder, that fills the parts it has. label_set: the samples' set, by
    name or by a file from the recipe's folder, where the model is to answer over the union that
    the set is a part of.
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


def _value(kind: Any, given: object, place: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return _filled(kind, given, place)
    origin, options = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        if given is None:
            return None
        return _value(next(o for o in options if o is not type(None)), given, place)
    if origin is tuple:
        if not isinstance(given, list):
            raise RecipeError(f"{place} is {given!r}; expected a list.")
        kinds = [options[0]] * len(given) if options[-1] is Ellipsis else list(options)
        if len(kinds) != len(given):
            raise RecipeError(f"{place} has {len(given)} values; expected {len(kinds)}.")
        return tuple(_value(k, v, place) for k, v in zip(kinds, given, strict=True))
    if kind is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if not isinstance(given, kind) or (kind is not bool and isinstance(given, bool)):
        raise RecipeError(f"{place} is {given!r}; expected {kind.__name__}.")
    return given


def _filled(kind: type[T], given: object, place: str) -> T:
    if not isinstance(given, dict):
        raise RecipeError(f"{place} is {given!r}; expected a mapping.")
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = [str(k) for k in given if k not in known]
    if unknown:
        raise RecipeError(
            f"{place} has unknown keys {', '.join(unknown)}; known: {', '.join(known)}."
        )
    missing = [
        n
        for n, f in known.items()
        if n not in given and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise RecipeError(f"{place} lacks {', '.join(missing)}.")
    values = {k: _value(hints[k], v, f"{place}.{k}") for k, v in given.items()}
    return kind(**values)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file.

    Raises RecipeError for a missing file, broken YAML, unknown or missing keys, wrong types and
    values out of range.
    """
    if not path.is_file():
        raise RecipeError(f"Recipe {path} was not found; shipped ones lie under config/train/.")
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise RecipeError(f"{path} is not readable YAML ({err.__class__.__name__}).") from err
    recipe = _filled(Recipe, content, path.name)
    _check(recipe, path.name)
    return recipe


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
        ("augment.x_noise", recipe.augment.x_noise, 0.0, 1.0),
        ("augment.x_shift", recipe.augment.x_shift, 0, 64),
        ("augment.crop", min(recipe.augment.crop), 32, 4096),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise RecipeError(f"{place}: {name} is {value}; expected {low} to {high}.")
    _check_clip(recipe, place)
    low_area, high_area = recipe.augment.area
    if not 0 < low_area <= high_area <= 1:
        raise RecipeError(
            f"{place}: augment.area is {recipe.augment.area}; expected 0 < a <= b <= 1."
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
