# SPDX-License-Identifier: Apache-2.0
"""The weights that a recipe starts from: where they are, and into the model with them."""

from collections.abc import Sequence
from pathlib import Path

from segrgbx_core.errors import ModelError, RecipeError
from segrgbx_core.model import SegRgbX
from segrgbx_core.training.recipe import RecipeFile
from segrgbx_core.weights.card import CARD_FILE
from segrgbx_core.weights.continuing import continue_from
from segrgbx_core.weights.importing import ImportReport, import_weights

_MODEL = "model"


def start_of(file: RecipeFile) -> Path | None:
    """The folder or file that `start_from` names; None where the recipe starts fresh.

    Raises RecipeError where there is none, or where it is a folder without a model's card.
    """
    told = file.recipe.start_from
    if told is None:
        return None
    start = (file.folder / told).resolve()
    named = f"{file.name}: start_from is {told}"
    if not start.exists():
        raise RecipeError(f"{named}, but {start} does not exist; {_way_to(start, file.folder)}.")
    if start.is_file() and (start.parent / CARD_FILE).is_file():
        raise RecipeError(f"{named}, a file of a model folder; give the folder {start.parent}.")
    if start.is_dir() and not (start / CARD_FILE).is_file():
        inside = start / _MODEL
        way_out = "give a folder that `segrgbx train` wrote its model to"
        if (inside / CARD_FILE).is_file():
            way_out = f"give {told.rstrip('/')}/{_MODEL}"
        raise RecipeError(
            f"{named}, but {start} is no model folder, as it has no {CARD_FILE}; {way_out}."
        )
    return start


def check_start(file: RecipeFile) -> None:
    """Raises RecipeError for a start that the recipe's model cannot be filled from."""
    if start_of(file) is not None:
        model = file.recipe.model
        classes = tuple(str(i) for i in range(model.num_classes))
        fill_from_start(SegRgbX(model), classes, file)


def _way_to(start: Path, recipes: Path) -> str:
    """How to come by a start that is missing."""
    before = recipes / f"{start.parent.name}.yaml"
    if start.name == _MODEL and before.is_file():
        return f"train it first: segrgbx train {before} --out {start.parent}"
    return "give a model folder of this project, or the checkpoint file of another"


def fill_from_start(
    model: SegRgbX, class_names: Sequence[str], file: RecipeFile
) -> ImportReport | None:
    """Fills the model with what the recipe's start has for it; None for a fresh start.

    class_names: the model's, in order. Raises RecipeError, which names the recipe's value, for a
    start that is missing, broken, or of another kind than the model.
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
