# SPDX-License-Identifier: Apache-2.0
"""What a training is made of between two steps, and its checkpoint on disk."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segrgbx_core.errors import RecipeError
from segrgbx_core.model import SegRgbX
from segrgbx_core.output import disk_errors
from segrgbx_core.training.recipe import Recipe

_NAMES = {"model", "average", "optimiser", "scaler", "step", "best", "seconds", "rng"}


@dataclass
class TrainingState:
    """scaler: of the loss, where gradients in float16 would vanish. step: steps done. best: best
    validation mIoU so far, -1 before the first. seconds: spent."""

    model: SegRgbX
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    best: float = -1.0
    seconds: float = 0.0

    @property
    def averaged(self) -> SegRgbX:
        """The model with averaged weights."""
        module = self.average.module
        assert isinstance(module, SegRgbX)
        return module


def fresh_state(
    recipe: Recipe, device: torch.device | None = None, scaled: bool = False
) -> TrainingState:
    """New weights from the recipe's seed; no weight decay on vectors.

    scaled: whether the training is in float16.
    """
    device = device or torch.device("cpu")
    torch.manual_seed(recipe.seed)
    model = SegRgbX(recipe.model).to(device)
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
    scaler = torch.amp.GradScaler(device.type, enabled=scaled)
    return TrainingState(model, average, optimiser, scaler)


def random_state(device: torch.device) -> Tensor:
    """The state of the random numbers that the model's layers draw on that device."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def save_checkpoint(state: TrainingState, path: Path, rng: Sequence[Tensor]) -> None:
    """Writes the state whole or not at all; the last checkpoint survives a full disk.

    rng: `random_state` of each process. Raises OutputError where the disk refuses.
    """
    part = path.with_suffix(".part")
    content = {
        "model": state.model.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "scaler": state.scaler.state_dict(),
        "step": state.step,
        "best": state.best,
        "seconds": state.seconds,
        "rng": list(rng),
    }
    with disk_errors(path):
        try:
            with part.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def restore(state: TrainingState, path: Path, rank: int = 0) -> None:
    """Fills the state, and torch's random numbers, from a checkpoint of the same recipe.

    Raises RecipeError where there is none, it cannot be read, or it is of another architecture.
    """
    if not path.is_file():
        raise RecipeError(
            f"{path} was not found, so there is nothing to resume; leave out --resume."
        )
    content = _read(path)
    device = next(state.model.parameters()).device
    try:
        state.model.load_state_dict(content["model"])
        state.average.load_state_dict(content["average"])
    except RuntimeError as err:
        raise RecipeError(
            f"{path} is of another architecture than the recipe; resume with the recipe it was "
            "made by."
        ) from err
    state.optimiser.load_state_dict(content["optimiser"])
    state.scaler.load_state_dict(content["scaler"])
    state.step, state.best = int(content["step"]), float(content["best"])
    state.seconds = float(content["seconds"])
    if rank < len(content["rng"]):
        _set_random_state(content["rng"][rank], device)


def _set_random_state(rng: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(rng, device)
    else:
        torch.set_rng_state(rng)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as err:
        raise RecipeError(
            f"{path} cannot be read as a checkpoint ({type(err).__name__}); begin anew with "
            "--force."
        ) from err
    if not isinstance(content, dict) or not content.keys() >= _NAMES:
        raise RecipeError(
            f"{path} is no checkpoint of this version; finish that training with the version it "
            "was begun with, or begin anew with --force."
        )
    return content
