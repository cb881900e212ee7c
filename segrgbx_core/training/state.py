# SPDX-License-Identifier: Apache-2.0
"""What a training is made of between two steps, and its checkpoint on disk."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segrgbx_core.errors import RecipeError
from segrgbx_core.model import SegRgbX
from segrgbx_core.output import disk_errors
from segrgbx_core.training.recipe import Recipe


@dataclass
class TrainingState:
    """step: steps done. best: best validation mIoU so far, -1 before the first. seconds: spent."""

    model: SegRgbX
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    best: float = -1.0
    seconds: float = 0.0

    @property
    def averaged(self) -> SegRgbX:
        """The model with averaged weights."""
        module = self.average.module
        assert isinstance(module, SegRgbX)
        return module


def fresh_state(recipe: Recipe) -> TrainingState:
    """New weights from the recipe's seed; no weight decay on vectors."""
    torch.manual_seed(recipe.seed)
    model = SegRgbX(recipe.model)
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    matrices = [p for p in model.parameters() if p.ndim > 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.optimiser.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.optimiser.learning_rate)
    average = AveragedModel(
        model,
        multi_avg_fn=get_ema_multi_avg_fn(recipe.optimiser.ema),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    return TrainingState(model, average, optimiser)


def save_checkpoint(state: TrainingState, path: Path) -> None:
    """Writes the state whole or not at all; the last checkpoint survives a full disk.

    Raises OutputError where the disk refuses.
    """
    part = path.with_suffix(".part")
    content = {
        "model": state.model.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "best": state.best,
        "seconds": state.seconds,
        "rng": torch.get_rng_state(),
    }
    with disk_errors(path):
        with part.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def restore(state: TrainingState, path: Path) -> None:
    """Fills the state, and torch's random numbers, from a checkpoint of the same recipe.

    Raises RecipeError where there is none or it is of another architecture.
    """
    if not path.is_file():
        raise RecipeError(
            f"{path} was not found, so there is nothing to resume; leave out --resume."
        )
    content = torch.load(path, weights_only=True)
    try:
        state.model.load_state_dict(content["model"])
        state.average.load_state_dict(content["average"])
    except RuntimeError as err:
        raise RecipeError(
            f"{path} is of another architecture than the recipe; resume with the recipe it was "
            "made by."
        ) from err
    state.optimiser.load_state_dict(content["optimiser"])
    state.step, state.best = int(content["step"]), float(content["best"])
    state.seconds = float(content["seconds"])
    torch.set_rng_state(content["rng"])
