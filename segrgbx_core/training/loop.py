# SPDX-License-Identifier: Apache-2.0
"""The training loop: AdamW, averaged weights, selection by validation, resumable."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import torch
from rich.console import Console

from segrgbx_core.console import lines
from segrgbx_core.errors import OutputError, memory_errors
from segrgbx_core.files.disk import DiskFullError, need_room
from segrgbx_core.stopping import StopRequest, sigterm_interrupts
from segrgbx_core.training.board import (
    Board,
    log_validation,
    time_left,
    training_progress,
)
from segrgbx_core.training.loading import BatchParts, parts_of_steps
from segrgbx_core.training.parts import TrainingParts
from segrgbx_core.training.sources import LabelledSource
from segrgbx_core.training.state import (
    CHECKPOINT,
    checkpoint_bytes,
    random_state,
    restore,
    save_checkpoint,
    way_on,
)
from segrgbx_core.training.step import learning_rate
from segrgbx_core.training.validation import ValidationScores, ValidationStoppedError, validate
from segrgbx_core.weights.card import CARD_FILE
from segrgbx_core.weights.store import load_model, save_model

MODEL = "model"
_BOARD_EVERY = 10
_SAVE_AFTER_S = 300.0


def say(console: Console, *parts: str) -> None:
    """Prints lines without wrapping them, so that paths stay intact and commands can be copied."""
    console.print(lines(*parts), soft_wrap=True)


class Training:
    """The steps of one training, from its initial or resumed state to the final test."""

    def __init__(self, parts: TrainingParts) -> None:
        self.parts, self.state = parts, parts.state
        self._recipe, self._place = parts.recipe, parts.place
        self._began = (time.monotonic(), 0)
        self._saved = time.monotonic()

    def begin(self, resume: bool) -> None:
        """Prepares the state before the first remaining step: fresh, or from the checkpoint."""
        rank = self._place.ranks.rank
        if resume:
            changed = restore(self.state, self._place.out / CHECKPOINT, rank)
            self._say_changed(changed)
        else:
            self.parts.import_start()
        self.parts.fix_clip(tuned=resume)
        if not resume and rank:
            # Dropout must differ between the processes.
            torch.manual_seed(self._recipe.seed + rank)
        if not resume and self._recipe.clip_tuning is not None:
            self._save()

    def run(self, workers: int, board: Board) -> Path:
        """Runs the remaining steps and the final test; returns the model's folder."""
        state, place = self.state, self._place
        steps, every = self._recipe.optimiser.steps, self._recipe.optimiser.validate_every
        before = state.seconds
        self._began = (time.monotonic(), state.step)
        if state.step < steps:
            self._need_room()
        with training_progress(place.console) as bar, StopRequest() as stop:
            task = bar.add_task("training", total=steps, note="", completed=state.step)
            if state.validated < state.step and self._is_due(every, steps):
                self._validate(board, stop)
            for parts in self._batches(workers):
                state.loss = self._step(parts)
                best = f" best {state.best:.3f}" if state.validated else ""
                bar.update(task, completed=state.step, note=f"loss {state.loss:.3f}{best}")
                state.seconds = before + time.monotonic() - self._began[0]
                if state.step % _BOARD_EVERY == 0:
                    rate = learning_rate(self._recipe, state.step - 1)
                    board.add(state.step, {"loss": state.loss, "learning_rate": rate})
                if self._is_due(every, steps):
                    self._validate(board, stop)
                if place.ranks.any(stop.asked is not None) and state.step < steps:
                    self._stop(stop.asked)
                if place.ranks.any(time.monotonic() - self._saved > _SAVE_AFTER_S):
                    with self._disk_errors():
                        self._save()
                    self._say_where()
        board.close()
        say(place.console, f"Best validation mIoU {state.best:.3f}.")
        if self.parts.tested:
            try:
                with sigterm_interrupts():
                    self._test()
            except KeyboardInterrupt:
                self._say_how_to_go_on("Stopped in the test at the end")
                raise
        return place.out / MODEL

    def _is_due(self, every: int, steps: int) -> bool:
        return self.state.step > 0 and (self.state.step % every == 0 or self.state.step >= steps)

    def _batches(self, workers: int) -> Iterator[BatchParts]:
        o = self._recipe.optimiser
        steps = range(self.state.step, o.steps)
        ranks = self._place.ranks
        return parts_of_steps(self.parts.batches, steps, o.batch, o.accumulate, ranks, workers)

    def _step(self, parts: BatchParts) -> float:
        return self.parts.stepper(parts, learning_rate(self._recipe, self.state.step))

    def _validate(self, board: Board, stop: StopRequest) -> None:
        """Scores the averaged weights, keeps them if they are the best, and saves a checkpoint."""
        state, place, parts = self.state, self._place, self.parts
        try:
            scores = self._scores(parts.held_out, lambda: stop.asked is not None)
        except ValidationStoppedError:
            self._stop(stop.asked)
        state.validated = state.step
        say(
            place.console,
            f"step {state.step} of {self._recipe.optimiser.steps}: loss {state.loss:.3f}, "
            f"validation mIoU {scores.text}{self._left()}",
        )
        better = scores.miou > state.best
        state.best = max(state.best, scores.miou)
        with self._disk_errors():
            if place.ranks.first:
                if better:  # before the rest: the smallest file that keeps what was learnt
                    self._need_folder()
                    save_model(place.out / MODEL, state.averaged, parts.card())
                log_validation(place.out, state, state.loss, scores)
                each = {f"validation/{name}": v for name, v in scores.by_modality.items()}
                board.add(state.step, {"validation/mean": scores.miou, **each})
            self._save()

    def _scores(
        self, sources: list[LabelledSource], stopping: Callable[[], bool] = lambda: False
    ) -> ValidationScores:
        parts, place = self.parts, self._place
        less = "which takes images whole; lower short_side, or train on a machine with more"
        with memory_errors(f"in scoring after step {self.state.step},", less):
            return validate(
                self.state.averaged,
                parts.card(),
                sources,
                parts.use_x,
                place.device,
                place.ranks,
                stopping=stopping,
            )

    def _test(self) -> None:
        """Scores the weights that validation selected on the test samples, for the card."""
        place, averaged = self._place, self.state.averaged
        best = load_model(place.out / MODEL)
        averaged.load_state_dict(best.model.state_dict())
        scores = self._scores(self.parts.tested)
        step = best.card.training["step"]
        said = (
            f"On test, with the weights of step {step} that validation chose: mIoU {scores.text}.",
            *(f"  {name}: {value:.3f}" for name, value in scores.by_source),
        )
        say(place.console, *said)
        provenance = {**best.card.training, "test_miou": round(scores.miou, 4)}
        if place.ranks.first:
            save_model(place.out / MODEL, averaged, replace(best.card, training=provenance))
        place.ranks.wait()

    def _say_where(self) -> None:
        """A line in a log file; on a terminal the bar shows the same."""
        if not self._place.console.is_terminal:
            at = f"step {self.state.step} of {self._recipe.optimiser.steps}"
            say(self._place.console, f"{at}: loss {self.state.loss:.3f}{self._left()}")

    def _left(self) -> str:
        moment, step = self._began
        to_do = self._recipe.optimiser.steps - self.state.step
        return time_left(time.monotonic() - moment, self.state.step - step, to_do)

    def _save(self) -> None:
        place = self._place
        rng = place.ranks.gathered(random_state(place.device))
        if place.ranks.first:
            save_checkpoint(self.state, place.out / CHECKPOINT, rng)
        place.ranks.wait()
        self._saved = time.monotonic()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Turns a full disk or a removed folder into an error that says how to continue."""
        try:
            yield
        except FileNotFoundError as err:
            raise OutputError(
                f"{err.filename} cannot be written, because its folder or a new file in it is "
                f"gone: was {self._place.out} removed, or does another training write to it?"
            ) from err
        except DiskFullError as err:
            raise DiskFullError(
                f"The disk that holds {self._place.out} is full at step {self.state.step}"
                f"{self._kept()}; free some space and {way_on(self._place.out)}."
            ) from err

    def _kept(self) -> str:
        """The best model so far, where there is no checkpoint to go on from."""
        model, checkpoint = self._place.out / MODEL, self._place.out / CHECKPOINT
        if checkpoint.is_file() or not (model / CARD_FILE).is_file():
            return ""
        return f", and no checkpoint fits, but {model} holds the best weights so far"

    def _need_folder(self) -> None:
        """Raises FileNotFoundError where it was removed; saving a model would make it again."""
        if not self._place.out.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._place.out))

    def _need_room(self) -> None:
        """Raises OutputError before the first step if no checkpoint would fit on the disk."""
        place = self._place
        size = checkpoint_bytes(self.state)
        place.ranks.first_does(lambda: need_room(place.out, size, "a checkpoint"))

    def _say_changed(self, changed: Sequence[str]) -> None:
        if changed:
            say(
                self._place.console,
                f"{self.parts.file.name} has changed since the checkpoint; the remaining steps "
                f"use the new values: {', '.join(changed)}.",
            )

    def _stop(self, asked: str | None) -> NoReturn:
        with self._disk_errors():
            self._save()
        who = asked or "another process"
        self._say_how_to_go_on(f"Stopped by {who} after step {self.state.step}")
        raise KeyboardInterrupt

    def _say_how_to_go_on(self, stopped: str) -> None:
        path, out = self.parts.file.path, self._place.out
        say(
            self._place.console,
            f"{stopped}; go on with",
            f"  segrgbx train {path} --out {out} --resume",
        )
