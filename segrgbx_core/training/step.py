# SPDX-License-Identifier: Apache-2.0
"""One training step: a batch, split into parts and processes, and an update of the weights."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segrgbx_core.errors import SegRgbxError, memory_errors
from segrgbx_core.files.disk import replacing
from segrgbx_core.model.placement import autocast
from segrgbx_core.training.augment import Batch
from segrgbx_core.training.objective import Objective
from segrgbx_core.training.ranks import Ranks, share_batch_norms
from segrgbx_core.training.recipe import Recipe
from segrgbx_core.training.state import RATE, TrainingState, save_tensors, way_on

BAD_BATCH = "bad_batch.pt"


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step, counted from 0: linear warm-up, then polynomial decay to 0."""
    o = recipe.optimiser
    if step < o.warm_up:
        return o.learning_rate * (step + 1) / o.warm_up
    left = 1 - (step - o.warm_up) / max(1, o.steps - o.warm_up)
    return float(o.learning_rate * max(left, 0.0) ** o.power)


class Stepper:
    """Takes steps with a state's model, which it prepares for several processes if there are any.

    precision: from `choose_precision`. out: the folder for a batch whose loss is not finite; None
    saves no batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        state: TrainingState,
        objective: Objective,
        ranks: Ranks,
        *,
        device: torch.device,
        precision: str,
        out: Path | None,
    ) -> None:
        self._recipe, self._state, self._objective = recipe, state, objective
        self._ranks, self._device, self._precision, self._out = ranks, device, precision, out
        self._network: nn.Module = state.model
        if ranks.world > 1:
            share_batch_norms(state.model)
            self._network = DistributedDataParallel(state.model, find_unused_parameters=True)

    def __call__(self, parts: Sequence[Batch], rate: float) -> float:
        """Learns from this process's parts of the batch; returns the loss of the whole batch.

        Raises SegRgbxError for a loss that is not finite, and if memory runs out.
        """
        state = self._state
        for group in state.optimiser.param_groups:
            group["lr"] = rate * group[RATE]
        state.model.train()
        state.optimiser.zero_grad(set_to_none=True)
        with memory_errors(f"at step {state.step}", self._less_memory(parts)):
            loss = self._backward([self._moved(part) for part in parts])
            state.scaler.unscale_(state.optimiser)
            limit = self._recipe.optimiser.gradient_clip
            torch.nn.utils.clip_grad_norm_(state.model.parameters(), limit)
            state.scaler.step(state.optimiser)
            state.scaler.update()
            state.average.update_parameters(state.model)
        state.step += 1
        return loss

    def _backward(self, parts: Sequence[Batch]) -> float:
        """Computes the gradients of the step's loss and returns the loss."""
        weights = [self._objective.weight(part.labels, part.sources) for part in parts]
        whole = self._ranks.total(torch.stack(weights).sum())
        summed = whole.new_zeros(())
        for i, part in enumerate(parts):
            with self._apart(last=i + 1 == len(parts)):
                with autocast(self._precision, self._device):
                    logits = self._network(part.rgb, part.x, part.modalities, part.present)
                loss = self._objective.loss(logits, part.labels, part.sources, whole)
                self._check(loss, part)
                # Gradients are averaged over the processes, but the losses must be added.
                scaled = self._state.scaler.scale(loss * self._ranks.world)
                scaled.backward()  # type: ignore[no-untyped-call]
            summed = summed + loss.detach()
        return float(self._ranks.total(summed))

    def _apart(self, last: bool) -> AbstractContextManager[object]:
        """A context that exchanges gradients between processes only for the last part."""
        several = isinstance(self._network, DistributedDataParallel)
        if several and not last:
            assert isinstance(self._network, DistributedDataParallel)
            return self._network.no_sync()
        return nullcontext()

    def _moved(self, part: Batch) -> Batch:
        rgb, x = (
            image.to(self._device, non_blocking=True, memory_format=torch.channels_last)
            for image in (part.rgb, part.x)
        )
        labels, present = (
            tensor.to(self._device, non_blocking=True) for tensor in (part.labels, part.present)
        )
        return replace(part, rgb=rgb, x=x, labels=labels, present=present)

    def _check(self, loss: Tensor, part: Batch) -> None:
        value = float(loss.detach())
        if math.isfinite(value):
            return
        samples = ", ".join(part.stems[:4]) + (", ..." if len(part.stems) > 4 else "")
        batch = f"its batch has the samples {samples}"
        if self._out is not None:
            path = self._out / f"{self._ranks.rank or ''}{BAD_BATCH}"
            with replacing(path) as file:
                save_tensors({"step": self._state.step, **vars(part)}, file)
            batch = f"the batch is kept in {path} (samples {samples})"
        raise SegRgbxError(
            f"The loss is {value} at step {self._state.step}; {batch}: look at it, or lower "
            f"optimiser.learning_rate, and {way_on(self._out)}."
        )

    def _less_memory(self, parts: Sequence[Batch]) -> str:
        o, (height, width) = self._recipe.optimiser, parts[0].rgb.shape[2:]
        return (
            f"with batch {o.batch} in {o.accumulate} part(s) of {height}x{width}; double "
            "optimiser.accumulate, or lower optimiser.batch or augment.crop (also in "
            f"augment.later), and {way_on(self._out)}"
        )
