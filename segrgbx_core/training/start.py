# SPDX-License-Identifier: Apache-2.0
"""The weights that a recipe starts from: find them and load them into the model."""

from collections.abc import Sequence
from pathlib import Path

from segrgbx_core.errors import ModelError, RecipeError
from segrgbx_core.model import SegRgbX
from segrgbx_core.training.recipe import RecipeFile
from segrgbx_core.weights.card import CARD_FILE
from segrgbx_core.weights.continuing import continue_from
from segrgbx_core.weights.importing import ImportReport, import_weights
from segrgbx_core.weights.pretrained import IMAGENET, imagenet_weights

_MODEL = "model"


def start_of(file: RecipeFile) -> Path | None:
    """The folder or file that `start_from` names; None if the recipe has no `start_from`.

    "imagenet" is the file that an installed package brings for the preset.

    Raises RecipeError if it does not exist, or is a folder without a model's card.
    """
    source = file.recipe.start_from
    if source is None:
        return None
    if source == IMAGENET:
        try:
            return imagenet_weights(file.recipe.model.preset)
        except ModelError as err:
            raise RecipeError(f"{file.name}: start_from is {source}: {err}") from err
    start = (file.folder / source).resolve()
    named = f"{file.name}: start_from is {source}"
    if not start.exists():
        raise RecipeError(f"{named}, but {start} does not exist; {_way_to(start, file.folder)}.")
    if start.is_file() and (start.parent / CARD_FILE).is_file():
        raise RecipeError(f"{named}, a file of a model folder; give the folder {start.parent}.")
    if start.is_dir() and not (start / CARD_FILE).is_file():
        inside = start / _MODEL
        way_out = "give a model folder that `segrgbx train` wrote"
        if (inside / CARD_FILE).is_file():
            way_out = f"give {source.rstrip('/')}/{_MODEL}"
        raise RecipeError(
            f"{named}, but {start} is no model folder: it has no {CARD_FILE}; {way_out}."
        )
    return start


def check_start(file: RecipeFile) -> None:
    """Raises RecipeError if the weights do not fit the recipe's model."""
    if start_of(file) is not None:
        model = file.recipe.model
        classes = tuple(str(i) for i in range(model.num_classes))
        fill_from_start(SegRgbX(model), classes, file)


def _way_to(start: Path, recipes: Path) -> str:
    """How to get missing start weights, for an error message."""
    before = recipes / f"{start.parent.name}.yaml"
    if start.name == _MODEL and before.is_file():
        return f"train it first: segrgbx train {before} --out {start.parent}"
    return "give a model folder of this project, or the checkpoint file of another"


def fill_from_start(
    model: SegRgbX, class_names: Sequence[str], file: RecipeFile
) -> ImportReport | None:
    """Loads the matching weights of `start_from` into the model; None without `start_from`.

    class_names: the model's classes, in order. Raises RecipeError, which names the recipe's value,
    for weights that are missing, broken, or do not fit the model.
    """
    start = start_of(file)
    if start is None:
        return None
    try:
        if start.is_dir():
            return continue_from(model, class_names, start)
        return import_weights(model, start)
    except ModelError as err:
        raise RecipeError(f"{file.name}: start_from is {file.recipe.start_from}: {err}") from err
