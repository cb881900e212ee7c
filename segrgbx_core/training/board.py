# SPDX-License-Identifier: Apache-2.0
"""Output during a training: progress bar, log of the scores, TensorBoard's curves."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segrgbx_core.errors import RecipeError
from segrgbx_core.files.disk import disk_errors, need_no_links
from segrgbx_core.training.state import TrainingState
from segrgbx_core.training.validation import ValidationScores

_LONG_MINUTES = 90


def training_progress(console: Console) -> Progress:
    """A progress bar with counts, remaining time, and each task's field `note`."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )


def time_left(seconds: float, done: int, to_do: int) -> str:
    """The remaining time as a phrase for a log line, for output without a progress bar.

    Extrapolated from the steps done in these seconds. Empty if nothing is left, or the speed is
    unknown.
    """
    if done < 1 or to_do < 1:
        return ""
    minutes = seconds / done * to_do / 60
    if minutes < 1:
        return ", less than a minute left"
    spoken = f"{minutes / 60:.1f} h" if minutes > _LONG_MINUTES else f"{minutes:.0f} min"
    return f", about {spoken} left"


LOG, BOARD = "log.csv", "tensorboard"
BOARD_FILES = "events.out.tfevents.*"
log = logging.getLogger("segrgbx")


def log_validation(out: Path, state: TrainingState, loss: float, scores: ValidationScores) -> None:
    """Adds a row to log.csv: step, seconds, loss, mIoU, and each sensor's mIoU.

    Raises OutputError if the file cannot be written.
    """
    path = out / LOG
    need_no_links([path])
    values = [f"{value:.4f}" for value in (loss, scores.miou, *scores.by_modality.values())]
    with disk_errors(path):
        fresh = not path.is_file()
        with path.open("a") as file:
            if fresh:
                file.write(",".join(("step,seconds,loss,miou", *scores.by_modality)) + "\n")
            file.write(",".join((str(state.step), f"{state.seconds:.0f}", *values)) + "\n")


def need_tensorboard() -> None:
    """Raises RecipeError if the package tensorboard is missing."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as err:
        raise RecipeError(
            "TensorBoard's files need the package tensorboard, which is not installed; run "
            "pip install 'tensorboard>=2.16,<3', or leave --tensorboard out."
        ) from err


class Board:
    """Writes TensorBoard's files to a folder; writes nothing without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._writer: Any = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter

        with disk_errors(folder):
            self._writer = SummaryWriter(str(folder))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to each of the named curves."""
        if self._writer is None:
            return
        with self._optional():
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Writes what is still buffered."""
        if self._writer is not None:
            with self._optional():
                self._writer.close()

    @contextmanager
    def _optional(self) -> Iterator[None]:
        """Stops writing curves after a disk error, instead of ending the training."""
        try:
            yield
        except OSError as err:
            self._writer = None
            log.warning(
                "TensorBoard's files cannot be written (%s); the training goes on without them.",
                err.strerror or err,
            )
