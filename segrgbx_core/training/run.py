# SPDX-License-Identifier: Apache-2.0
"""A training from its recipe: what is checked, claimed and made before the loop runs."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from segrgbx_core.files.disk import claim_output, disk_errors
from segrgbx_core.model.placement import choose_device
from segrgbx_core.training.board import BOARD, LOG, Board, need_tensorboard
from segrgbx_core.training.loop import Training, say, sigterm_interrupts
from segrgbx_core.training.parts import TrainingContext, TrainingParts
from segrgbx_core.training.ranks import joined, local_device
from segrgbx_core.training.recipe import RecipeFile
from segrgbx_core.training.sources import check_before_rendering
from segrgbx_core.training.start import check_start
from segrgbx_core.training.state import CHECKPOINT, need_checkpoint


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
        file = RecipeFile.read(path)
        place = TrainingContext(
            out,
            local_device(choose_device(machine.device)),
            ranks,
            Console(quiet=not ranks.first),
        )
        try:
            with sigterm_interrupts():
                training = _begun(file, place, machine, resume=resume, force=force)
        except KeyboardInterrupt:
            if ranks.first and ranks.speaks():
                _say_stopped_before_steps(path, place, resume)
            raise
        board = Board(out / BOARD if machine.tensorboard and ranks.first else None)
        return training.run(machine.workers, board)


def _begun(
    file: RecipeFile, place: TrainingContext, machine: Machine, *, resume: bool, force: bool
) -> Training:
    """Everything before the first step; what cannot work is said before scenes are rendered."""
    if machine.tensorboard:
        need_tensorboard()
    if resume:
        need_checkpoint(place.out / CHECKPOINT)
    else:
        check_start(file)
    check_before_rendering(file)
    if not resume:
        place.ranks.first_does(lambda: _claim(place.out, force))
    training = Training(TrainingParts(file, place))
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


def _say_stopped_before_steps(path: Path, place: TrainingContext, resume: bool) -> None:
    say(
        place.console,
        "Stopped before the first step; what was rendered is kept. Begin again with\n"
        f"  segrgbx train {path} --out {place.out} {'--resume' if resume else '--force'}",
    )
