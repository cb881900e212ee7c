# SPDX-License-Identifier: Apache-2.0
"""The training loop: AdamW, averaged weights, the best kept by validation, resumable."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import torch
from rich.console import Console

from segrgbx_core.errors import OutputError, memory_errors
from segrgbx_core.files.disk import DiskFullError, claim_output, disk_errors
from segrgbx_core.model.placement import choose_device
from segrgbx_core.training.board import (
    BOARD,
    LOG,
    Board,
    log_validation,
    need_tensorboard,
    progress,
    time_left,
)
from segrgbx_core.training.loading import Parts, parts_of_steps
from segrgbx_core.training.parts import Place, TrainingParts
from segrgbx_core.training.ranks import joined, local_device
from segrgbx_core.training.recipe import Recipe, load_recipe
from segrgbx_core.training.sources import LabelledSource, check_before_rendering
from segrgbx_core.training.start import check_start
from segrgbx_core.training.state import (
    CHECKPOINT,
    need_checkpoint,
    random_state,
    restore,
    save_checkpoint,
    way_on,
)
from segrgbx_core.training.step import learning_rate
from segrgbx_core.training.stopping import StopRequest, sigterm_interrupts
from segrgbx_core.training.validation import ValidationScores, ValidationStoppedError, validate
from segrgbx_core.weights.store import load_model, save_model

MODEL = "model"
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
    machine = machine or Machine()
    with joined(machine.device) as ranks:
        recipe = load_recipe(path)
        place = Place(
            out,
            local_device(choose_device(machine.device)),
            ranks,
            Console(quiet=not ranks.first),
        )
        try:
            with sigterm_interrupts():
                training = _begun(recipe, path, place, resume, force, machine)
        except KeyboardInterrupt:
            if ranks.first and ranks.speaks():
                _say_stopped_before_steps(path, place, resume)
            raise
        board = Board(out / BOARD if machine.tensorboard and ranks.first else None)
        return training.run(machine.workers, board)


def _begun(
    recipe: Recipe, path: Path, place: Place, resume: bool, force: bool, machine: Machine
) -> "_Training":
    """All that comes before the first step; what cannot work is said before it is rendered."""
    if machine.tensorboard:
        need_tensorboard()
    if resume:
        need_checkpoint(place.out / CHECKPOINT)
    else:
        check_start(recipe, path)
    check_before_rendering(recipe, path)
    if not resume:
        place.ranks.first_does(lambda: _claim(place.out, force))
    training = _Training(TrainingParts(recipe, path, place))
    training.begin(resume)
    return training


def _claim(out: Path, force: bool) -> None:
    """A new training's folder, without the log of the one before, its curves, and its checkpoint,
    which would be taken for this one's."""
    claim_output(out, force)
    with disk_errors(out):
        for name in (LOG, CHECKPOINT):
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / BOARD, ignore_errors=True)


def _say(console: Console, text: str) -> None:
    """As it is: a path is no markup, and a command that is cut at the edge cannot be copied."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _say_stopped_before_steps(path: Path, place: Place, resume: bool) -> None:
    _say(
        place.console,
        "Stopped before the first step; what was rendered is kept. Begin again with\n"
        f"  segrgbx train {path} --out {place.out} {'--resume' if resume else '--force'}",
    )


class _Training:
    def __init__(self, parts: TrainingParts) -> None:
        self.parts, self.state = parts, parts.state
        self._recipe, self._place = parts.recipe, parts.place
        self._began = (time.monotonic(), 0)

    def begin(self, resume: bool) -> None:
        """Makes the weights what they are before the first step that is left."""
        rank = self._place.ranks.rank
        if resume:
            changed = restore(self.state, self._place.out / CHECKPOINT, rank)
            self._say_changed(changed)
        else:
            self.parts.import_start()
        self.parts.fix_clip(tuned=resume)
        if not resume and rank:
            # Layers that drop at random must not drop alike in all processes.
            torch.manual_seed(self._recipe.seed + rank)
        if not resume and self._recipe.clip_tuning is not None:
            self._save()

    def run(self, workers: int, board: Board) -> Path:
        """All steps that are left, and at the end the test."""
        state, place = self.state, self._place
        steps, every = self._recipe.optimiser.steps, self._recipe.optimiser.validate_every
        before = state.seconds
        self._began = (time.monotonic(), state.step)
        with progress(place.console) as bar, StopRequest() as stop:
            task = bar.add_task("training", total=steps, note="", completed=state.step)
            if state.validated < state.step and self._is_due(every, steps):
                self._validate(board, stop)
            for parts in self._batches(workers):
                state.loss = self._step(parts)
                best = f" best {state.best:.3f}" if state.validated else ""
                bar.update(task, completed=state.step, note=f"loss {state.loss:.3f}{best}")
                state.seconds = before + time.monotonic() - self._began[0]
                if state.step % _BOARD_EVERY == 0:
                    rate = state.optimiser.param_groups[0]["lr"]
                    board.add(state.step, {"loss": state.loss, "learning_rate": rate})
                if self._is_due(every, steps):
                    self._validate(board, stop)
                if place.ranks.any(stop.asked is not None) and state.step < steps:
                    self._stop(stop.asked)
        board.close()
        place.console.print(f"Best validation mIoU {state.best:.3f}.", highlight=False)
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

    def _batches(self, workers: int) -> Iterator[Parts]:
        o = self._recipe.optimiser
        steps = range(self.state.step, o.steps)
        ranks = self._place.ranks
        return parts_of_steps(self.parts.batches, steps, o.batch, o.accumulate, ranks, workers)

    def _step(self, parts: Parts) -> float:
        return self.parts.stepper(parts, learning_rate(self._recipe, self.state.step))

    def _validate(self, board: Board, stop: StopRequest) -> None:
        """Scores the averaged weights, keeps them where they are the best, and checkpoints."""
        state, place, parts = self.state, self._place, self.parts
        try:
            scores = self._scores(parts.held_out, lambda: stop.asked is not None)
        except ValidationStoppedError:
            self._stop(stop.asked)
        state.validated = state.step
        _say(
            place.console,
            f"step {state.step} of {self._recipe.optimiser.steps}: loss {state.loss:.3f}, "
            f"validation mIoU {scores.text}{self._left()}",
        )
        better = scores.miou > state.best
        state.best = max(state.best, scores.miou)
        with self._disk_errors():
            if place.ranks.first:
                log_validation(place.out, state, state.loss, scores)
                each = {f"validation/{name}": v for name, v in scores.by_modality.items()}
                board.add(state.step, {"validation/mean": scores.miou, **each})
                if better:
                    save_model(place.out / MODEL, state.averaged, parts.card())
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
                stopping,
            )

    def _test(self) -> None:
        """Scores the weights that validation chose on the test samples, for the card."""
        place, averaged = self._place, self.state.averaged
        best = load_model(place.out / MODEL)
        averaged.load_state_dict(best.model.state_dict())
        scores = self._scores(self.parts.tested)
        step = best.card.training["step"]
        lines = (
            f"On test, with the weights of step {step} that validation chose: mIoU {scores.text}.",
            *(f"  {name}: {value:.3f}" for name, value in scores.by_source),
        )
        _say(place.console, "\n".join(lines))
        provenance = {**best.card.training, "test_miou": round(scores.miou, 4)}
        if place.ranks.first:
            save_model(place.out / MODEL, averaged, replace(best.card, training=provenance))
        place.ranks.wait()

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

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Says what there is to go on from where the disk is full, or the folder was removed."""
        try:
            yield
        except FileNotFoundError as err:
            raise OutputError(
                f"{err.filename} cannot be written, as its folder or what was just written is "
                f"gone: was {self._place.out} removed, or does another training write to it?"
            ) from err
        except DiskFullError as err:
            raise DiskFullError(
                f"The disk that holds {self._place.out} is full at step {self.state.step}; free "
                f"some space and {way_on(self._place.out)}."
            ) from err

    def _say_changed(self, changed: Sequence[str]) -> None:
        if changed:
            _say(
                self._place.console,
                f"{self.parts.path.name} has changed since the checkpoint, and the steps that are "
                f"left go by it as it is now: {', '.join(changed)}.",
            )

    def _stop(self, asked: str | None) -> NoReturn:
        with self._disk_errors():
            self._save()
        who = asked or "another process"
        self._say_how_to_go_on(f"Stopped by {who} after step {self.state.step}")
        raise KeyboardInterrupt

    def _say_how_to_go_on(self, stopped: str) -> None:
        path, out = self.parts.path, self._place.out
        _say(
            self._place.console,
            f"{stopped}; go on with\n  segrgbx train {path} --out {out} --resume",
        )
