# SPDX-License-Identifier: Apache-2.0
"""Prepare batches ahead of time in separate processes."""

import signal
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.training.augment import Batch, TrainingBatches
from segrgbx_core.training.ranks import Ranks

BatchParts = list[Batch]


class _Steps(Dataset[BatchParts | SegRgbxError]):
    """The parts of each step's batch that belong to this process, or an error.

    Errors are returned, because an error raised in a worker arrives with a traceback as its text.
    """

    def __init__(self, batches: TrainingBatches, size: int, accumulate: int, ranks: Ranks) -> None:
        super().__init__()
        self._batches, self._size = batches, size
        self._accumulate, self._ranks = accumulate, ranks

    def __getitem__(self, step: int) -> BatchParts | SegRgbxError:
        try:
            return self._parts(step)
        except SegRgbxError as err:
            return err

    def _parts(self, step: int) -> BatchParts:
        parts = self._accumulate * self._ranks.world
        first = self._ranks.rank * self._accumulate
        return [
            self._batches.batch(step, self._size, first + i, parts)
            for i in range(self._accumulate)
        ]


def parts_of_steps(
    batches: TrainingBatches,
    steps: range,
    size: int,
    accumulate: int,
    ranks: Ranks,
    workers: int = 0,
) -> Iterator[BatchParts]:
    """The parts of each step, in order; they do not depend on the number of workers.

    size: samples of a step over all processes. workers: processes that read ahead; 0 reads in
    this process. Raises InputError if more samples than allowed cannot be used.
    """
    wanted = _Steps(batches, size, accumulate, ranks)
    for parts in _read(wanted, steps, workers):
        if isinstance(parts, SegRgbxError):
            raise parts
        yield parts


def _read(wanted: _Steps, steps: range, workers: int) -> Iterator[BatchParts | SegRgbxError]:
    if workers == 0:
        yield from (wanted[step] for step in steps)
        return
    # With "forkserver", a signal that ends the server would look like the end of a worker.
    reader = DataLoader(
        wanted,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        worker_init_fn=_ready,
        generator=torch.Generator(),
        multiprocessing_context="spawn",
        persistent_workers=False,
    )
    try:
        yield from reader
    except RuntimeError as err:
        if not str(err).startswith("DataLoader worker"):
            raise
        raise SegRgbxError(
            f"A process that reads samples ahead ended by itself ({str(err).splitlines()[0]}), "
            f"probably because memory ran out; give fewer --workers than {workers}, or give the "
            "container more shared memory (docker run --shm-size=8g)."
        ) from err


def _ready(_: int) -> None:
    """Ignores signals in a worker; the training handles them and ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
