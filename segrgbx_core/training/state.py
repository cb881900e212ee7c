# SPDX-License-Identifier: Apache-2.0
"""The state of a training between two steps, and its checkpoint on disk."""

import io
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segrgbx_core.errors import RecipeError, guarded
from segrgbx_core.files.disk import disk_errors, replacing
from segrgbx_core.model import SegRgbX
from segrgbx_core.model.encoders.efficient_net import EfficientTower
from segrgbx_core.training.recipe import Recipe
from segrgbx_core.weights.checkpoint_file import torch_content


def plain(value: object) -> Any:
    """Converts dataclasses to mappings and tuples to lists, recursively."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """A description of each changed value, by its key, such as `optimiser.batch`.

    before, after: recipes converted by `plain`. Keys that only one of them has are left out.
    """
    was, now = dict(_leaves(before)), dict(_leaves(after))
    texts = {
        key: f"{key} was {_short(was[key])} and is {_short(now[key])}"
        for key in was
        if key in now and was[key] != now[key]
    }
    # One of them has a value, such as None, and the other a mapping.
    texts |= {
        key: f"{key} was {_short(was[key])} and is given now"
        for key in was
        if key not in now and _below(key, now)
    }
    texts |= {
        key: f"{key} was given and is {_short(now[key])} now"
        for key in now
        if key not in was and _below(key, was)
    }
    return texts


def _below(key: str, leaves: Mapping[str, Any]) -> bool:
    return any(leaf.startswith(f"{key}.") for leaf in leaves)


def _leaves(value: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{place}{key}.")
        else:
            yield f"{place}{key}", inner


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 60


CHECKPOINT = "checkpoint.pt"
_FIXED = ("model", "clip_tuning", "start_from", "label_set")
log = logging.getLogger("segrgbx")

_NAMES = {"model", "average", "optimiser", "scaler", "step", "best", "seconds", "rng"}


@dataclass
class TrainingState:
    """The state of a training.

    recipe: the training's recipe. scaler: loss scaler, against vanishing float16 gradients. step:
    completed steps. best: best validation mIoU so far, -1 before the first validation. seconds:
    training time. loss: loss of the last step. validated: the last step whose weights were
    scored.
    """

    recipe: Recipe
    model: SegRgbX
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    best: float = -1.0
    seconds: float = 0.0
    loss: float = math.nan
    validated: int = 0

    @property
    def averaged(self) -> SegRgbX:
        """The model with the averaged weights."""
        module = self.average.module
        assert isinstance(module, SegRgbX)
        return module


def fresh_state(
    recipe: Recipe, device: torch.device | None = None, scaled: bool = False
) -> TrainingState:
    """A state with new weights from the recipe's seed; vectors have no weight decay.

    scaled: whether the training runs in float16.
    """
    device = device or torch.device("cpu")
    torch.manual_seed(recipe.seed)
    model = SegRgbX(recipe.model).to(device).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(_groups(model, recipe), lr=recipe.optimiser.learning_rate)
    average = AveragedModel(
        model,
        multi_avg_fn=get_ema_multi_avg_fn(recipe.optimiser.ema),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    scaler = torch.amp.GradScaler(device.type, enabled=scaled)
    return TrainingState(recipe, model, average, optimiser, scaler)


RATE = "rate"
"""Key of a parameter group's learning rate, relative to the training's."""


def _groups(model: SegRgbX, recipe: Recipe) -> list[dict[str, Any]]:
    o = recipe.optimiser
    pretrained: list[nn.Module] = [model.encoder]
    if model.ma_clip is not None and isinstance(model.ma_clip.visual, EfficientTower):
        pretrained.append(model.ma_clip.visual.stages)
    encoder = {id(p) for module in pretrained for p in module.parameters()}
    groups = []
    for inside, rate in ((True, o.encoder_rate), (False, 1.0)):
        mine = [p for p in model.parameters() if (id(p) in encoder) == inside]
        matrices, vectors = [p for p in mine if p.ndim > 1], [p for p in mine if p.ndim <= 1]
        groups.append({"params": matrices, "weight_decay": o.weight_decay, RATE: rate})
        groups.append({"params": vectors, "weight_decay": 0.0, RATE: rate})
    return groups


def random_state(device: torch.device) -> Tensor:
    """The state of the random number generator that the model's layers use on the device."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def checkpoint_bytes(state: TrainingState) -> int:
    """About the size of a checkpoint: the weights, their average, and AdamW's two moments."""
    tensors = (*state.model.parameters(), *state.model.buffers())
    learnt = sum(p.numel() * p.element_size() for p in state.model.parameters() if p.requires_grad)
    return 2 * sum(t.numel() * t.element_size() for t in tensors) + 2 * learnt


def save_checkpoint(state: TrainingState, path: Path, rng: Sequence[Tensor]) -> None:
    """Writes the state atomically; the last checkpoint survives a full disk.

    rng: `random_state` of each process. Raises OutputError if the file cannot be written.
    """
    content = {
        "recipe": plain(state.recipe),
        "model": state.model.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "scaler": state.scaler.state_dict(),
        "step": state.step,
        "best": state.best,
        "seconds": state.seconds,
        "loss": state.loss,
        "validated": state.validated,
        "rng": list(rng),
        "norm_epsilons": list(state.model.config.norm_epsilons),
    }
    with replacing(path) as file:
        save_tensors(content, file)
        file.flush()
        os.fsync(file.fileno())
    with disk_errors(path):
        _keep_name(path.parent)


def save_tensors(content: object, file: BinaryIO) -> None:
    """Saves the content; raises the original OSError if torch replaces it by its own error."""
    watched = _Watched(file)
    try:
        torch.save(content, cast(IO[bytes], watched))
    except RuntimeError:
        if watched.refusal is not None:
            raise watched.refusal from None
        raise


class _Watched(io.RawIOBase):
    """A file that keeps the error of a failed write."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.refusal: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        try:
            return self._file.write(data)
        except OSError as err:
            self.refusal = err
            raise


def _keep_name(folder: Path) -> None:
    """Flushes the folder, without which a rename may not survive a power failure."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def way_on(out: Path | None) -> str:
    """How to continue a training that stopped; out: its folder, or None if it wrote nothing."""
    if out is None:
        return "try again"
    whole = (out / CHECKPOINT).is_file()
    return "go on from the last checkpoint with --resume" if whole else "begin again with --force"


def need_checkpoint(path: Path) -> None:
    """Raises RecipeError if there is no checkpoint."""
    if not path.is_file():
        raise RecipeError(
            f"{path} was not found, so there is nothing to resume; leave out --resume (and add "
            "--force where the folder holds rendered scenes: they are kept)."
        )


def restore(state: TrainingState, path: Path, rank: int = 0) -> tuple[str, ...]:
    """Restores the state and torch's random number generator from a checkpoint.

    Returns a description of each change of the recipe since the checkpoint. Raises RecipeError if
    there is no checkpoint, it cannot be read, or the recipe has changes that a running training
    cannot take over: of the model, or of what is done before the first step.
    """
    need_checkpoint(path)
    content = _read(path)
    refusal = (
        f"{path} does not hold the whole state of a training ({{}}); begin again with --force."
    )
    with guarded(str(path), RecipeError, refusal):
        return _restored(state, content, path, rank)


def _restored(
    state: TrainingState, content: dict[str, Any], path: Path, rank: int
) -> tuple[str, ...]:
    changed = changes(content.get("recipe", {}), plain(state.recipe))
    if content.get("recipe"):
        _refuse_what_is_too_late(changed, path)
    device = next(state.model.parameters()).device
    if len(content["optimiser"]["param_groups"]) != len(state.optimiser.param_groups):
        raise RecipeError(_of_another_version(path))
    try:
        state.model.load_state_dict(content["model"])
        state.average.load_state_dict(content["average"])
        as_written = [(g["weight_decay"], g[RATE]) for g in state.optimiser.param_groups]
        state.optimiser.load_state_dict(content["optimiser"])
    except RuntimeError as err:
        raise RecipeError(
            f"{path} has another architecture than the recipe; resume with the recipe that made "
            "it."
        ) from err
    for group, (decay, rate) in zip(state.optimiser.param_groups, as_written, strict=True):
        group["weight_decay"], group[RATE] = decay, rate
    if content["scaler"]:  # empty unless the training was in float16
        state.scaler.load_state_dict(content["scaler"])
    if "norm_epsilons" in content:
        embeddings, others, head = map(float, content["norm_epsilons"])
        for model in (state.model, state.averaged):
            model.set_norm_epsilons((embeddings, others, head))
    state.step, state.best = int(content["step"]), float(content["best"])
    state.seconds = float(content["seconds"])
    state.loss = float(content.get("loss", math.nan))
    state.validated = int(content.get("validated", state.step))
    if rank < len(content["rng"]):
        _set_random_state(content["rng"][rank], device)
    return tuple(changed.values()) if content.get("recipe") else ()


def _refuse_what_is_too_late(changed: Mapping[str, str], path: Path) -> None:
    late = [text for key, text in changed.items() if key.split(".")[0] in _FIXED]
    if late:
        raise RecipeError(
            f"The recipe is not the one that {path} was made by: {', '.join(late)}; that cannot "
            "change half-way, so resume with the recipe it was made by, or begin again with "
            "--force."
        )


def _set_random_state(rng: Tensor, device: torch.device) -> None:
    try:
        if device.type == "cuda":
            torch.cuda.set_rng_state(rng, device)
        else:
            torch.set_rng_state(rng)
    except RuntimeError:  # the length of the state depends on the kind of device
        log.warning(
            "The checkpoint is of another kind of device, so the random numbers of dropout start "
            "again, and the result will differ from that of an uninterrupted training."
        )


def _read(path: Path) -> dict[str, Any]:
    refusal = f"{path} cannot be read as a checkpoint ({{}}); begin again with --force."
    content = torch_content(path, RecipeError, refusal, sums=True)
    if not isinstance(content, dict) or not content.keys() >= _NAMES:
        raise RecipeError(_of_another_version(path))
    return content


def _of_another_version(path: Path) -> str:
    return (
        f"{path} is no checkpoint of this version; finish that training with the version it was "
        "begun with, or begin again with --force."
    )
