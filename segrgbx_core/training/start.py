# SPDX-License-Identifier: Apache-2.0
"""The weights that a recipe starts from: where they are, and into the model with them."""

from collections.abc import Sequence
from pathlib import Path

from segrgbx_core.errors import ModelError, RecipeError
from segrgbx_core.model import SegRgbX
from segrgbx_core.training.recipe import Recipe
from segrgbx_core.weights.card import CARD_FILE
from segrgbx_core.weights.continuing import continue_from
from segrgbx_core.weights.importing import ImportReport, import_weights

_MODEL = "model"


def start_of(recipe: Recipe, path: Path) -> Path | None:
    """The folder or file that `start_from` names; None where the recipe starts fresh.

    Raises RecipeError where there is none, or where it is a folder without a model's card.
    """
    if recipe.start_from is None:
        return None
    start = (path.parent / recipe.start_from).resolve()
    named = f"{path.name}: start_from is {recipe.start_from}"
    if not start.exists():
        raise RecipeError(f"{named}, but {start} does not exist; {_way_to(start, path.parent)}.")
    if start.is_file() and (start.parent / CARD_FILE).is_file():
        raise RecipeError(f"{named}, a file of a model folder; give the folder {start.parent}.")
    if start.is_dir() and not (start / CARD_FILE).is_file():
        inside = start / _MODEL
        way_out = "give a folder that `segrgbx train` wrote its model to"
        if (inside / CARD_FILE).is_file():
            way_out = f"give {recipe.start_from.rstrip('/')}/{_MODEL}"
        raise RecipeError(
            f"{named}, but {start} is no model folder, as it has no {CARD_FILE}; {way_out}."
        )
    return start


def check_start(recipe: Recipe, path: Path) -> None:
    """Raises RecipeError for a start that the recipe's model cannot be filled from."""
    if start_of(recipe, path) is not None:
        classes = tuple(str(i) for i in range(recipe.model.num_classes))
        fill_from_start(SegRgbX(recipe.model), classes, recipe, path)


def _way_to(start: Path, recipes: Path) -> str:
    """How to come by a start that is missing."""
    before = recipes / f"{start.parent.name}.yaml"
    if start.name == _MODEL and before.is_file():
        return f"train it first: segrgbx train {before} --out {start.parent}"
    return "give a model folder of this project, or the checkpoint file of another"


def fill_from_start(
    model: SegRgbX, class_names: Sequence[str], recipe: Recipe, path: Path
) -> ImportReport | None:
    """Fills the model with what the recipe's start has for it; None for a fresh start.

    class_names: the model's, in order. Raises RecipeError, which names the recipe's value, for a
    start that is missing, broken, or of another kind than the model.
    """
    start = start_of(recipe, path)
    if start is None:
        return None
    try:
        if start.is_dir():
            return continue_from(model, class_names, start)
        return import_weights(model, start)
    except ModelError as err:
        raise RecipeError(f"{path.name}: start_from is {recipe.start_from}: {err}") from err
