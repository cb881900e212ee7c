# SPDX-License-Identifier: Apache-2.0
"""The training loop: AdamW, averaged weights, the best kept by validation, resumable."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from rich.console import Console

from segrgbx_core.model import save_model
from segrgbx_core.model.placement import choose_device
from segrgbx_core.output import claim_output, disk_errors
from segrgbx_core.training.board import BOARD, LOG, Board, log_validation
from segrgbx_core.training.loading import Parts, parts_of_steps
from segrgbx_core.training.parts import Place, TrainingParts
from segrgbx_core.training.progress import progress
from segrgbx_core.training.ranks import joined, local_device
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.training.state import random_state, restore, save_checkpoint
from segrgbx_core.training.step import learning_rate
from segrgbx_core.training.stopping import StopRequest
from segrgbx_core.training.validation import validate

CHECKPOINT, MODEL = "checkpoint.pt", "model"
_BOARD_EVERY = 10


@dataclass(frozen=True)
class Machine:
    """How to use the machine; nothing of it changes what a step learns.

    device: "auto", "cpu", "cuda" or "cuda:N". workers: processes that read samples ahead; 0 reads
    between steps. tensorboard: whether to write its files.
    """

    device: str = "auto"
    workers: int = 0
    tensorboard: bool = False


def train(
    path: Path,
    out: Path,
    resume: bool = False,
    force: bool = False,
    machine: Machine | None = None,
) -> Path:
    """Trains as the recipe says and returns the folder of the best model.

    Writes below `out`: `data/` (rendered scenes), `checkpoint.pt`, `log.csv` (step, seconds,
    loss, validation mIoU, each sensor's) and `model/`. With resume=True an interrupted training
    goes on exactly where its last checkpoint stood. Started by torchrun, the processes share one
    training. SIGINT and SIGTERM end it after the step in hand, with a checkpoint, by
    KeyboardInterrupt.
    Raises RecipeError, InputError and OutputError in words.
    """
    recipe, machine = load_recipe(path), machine or Machine()
    device = local_device(choose_device(machine.device))
    with joined(device) as ranks:
        console = Console(quiet=not ranks.first)
        if not resume and ranks.first:
            claim_output(out, force)
            with disk_errors(out):
                (out / LOG).unlink(missing_ok=True)
        training = _Training(TrainingParts(recipe, path, Place(out, device, ranks, console)))
        training.begin(resume)
        board = Board(out / BOARD if machine.tensorboard and ranks.first else None)
        return training.run(machine.workers, board)


class _Training:
    def __init__(self, parts: TrainingParts) -> None:
        self.parts, self.state = parts, parts.state
        self._recipe, self._place = parts.recipe, parts.place

    def begin(self, resume: bool) -> None:
        """Makes the weights what they are before the first step that is left."""
        rank = self._place.ranks.rank
        if resume:
            restore(self.state, self._place.out / CHECKPOINT, rank)
        else:
            self.parts.import_start()
        self.parts.fix_clip(tuned=resume)
        if not resume and rank:
            # Layers that drop at random must not drop alike in all processes.
            torch.manual_seed(self._recipe.seed + rank)

    def run(self, workers: int, board: Board) -> Path:
        """All steps that are left."""
        state, place = self.state, self._place
        steps, every = self._recipe.optimiser.steps, self._recipe.optimiser.validate_every
        started, before = time.monotonic(), state.seconds
        loss = float("nan")
        with progress(place.console) as bar, StopRequest() as stop:
            task = bar.add_task("training", total=steps, note="", completed=state.step)
            for parts in self._batches(workers):
                loss = self._step(parts)
                note = f"loss {loss:.3f} best {state.best:.3f}"
                bar.update(task, completed=state.step, note=note)
                state.seconds = before + time.monotonic() - started
                if state.step % _BOARD_EVERY == 0:
                    rate = state.optimiser.param_groups[0]["lr"]
                    board.add(state.step, {"loss": loss, "learning_rate": rate})
                if state.step % every == 0 or state.step == steps:
                    self._validate(loss, board)
                if place.ranks.any(stop.asked is not None) and state.step < steps:
                    self._stop(stop.asked)
        board.close()
        place.console.print(f"Best validation mIoU {state.best:.3f}.")
        return place.out / MODEL

    def _batches(self, workers: int) -> Iterator[Parts]:
        o = self._recipe.optimiser
        steps = range(self.state.step, o.steps)
        ranks = self._place.ranks
        return parts_of_steps(self.parts.batches, steps, o.batch, o.accumulate, ranks, workers)

    def _step(self, parts: Parts) -> float:
        return self.parts.stepper(parts, learning_rate(self._recipe, self.state.step))

    def _validate(self, loss: float, board: Board) -> None:
        """Scores the averaged weights, keeps them where they are the best, and checkpoints."""
        state, place, parts = self.state, self._place, self.parts
        scores = validate(
            state.averaged, parts.card(), parts.held_out, parts.use_x, place.device, place.ranks
        )
        place.console.print(f"step {state.step}: loss {loss:.3f}, validation mIoU {scores.text}")
        better = scores.miou > state.best
        state.best = max(state.best, scores.miou)
        if place.ranks.first:
            log_validation(place.out, state, loss, scores)
            each = {f"validation/{name}": v for name, v in scores.by_modality.items()}
            board.add(state.step, {"validation/mean": scores.miou, **each})
            if better:
                save_model(place.out / MODEL, state.averaged, parts.card())
        self._save()

    def _save(self) -> None:
        place = self._place
        rng = place.ranks.gathered(random_state(place.device))
        if place.ranks.first:
            save_checkpoint(self.state, place.out / CHECKPOINT, rng)
        place.ranks.wait()

    def _stop(self, asked: str | None) -> NoReturn:
        self._save()
        path, out = self.parts.path, self._place.out
        self._place.console.print(
            f"Stopped by {asked or 'another process'} after step {self.state.step}; go on with\n"
            f"  segrgbx train {path} --out {out} --resume",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise KeyboardInterrupt
