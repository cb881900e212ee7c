# SPDX-License-Identifier: Apache-2.0
"""Batches made ahead of the steps that learn from them, in processes of their own."""

import signal
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from segrgbx_core.training.augment import Batch, TrainingBatches
from segrgbx_core.training.ranks import Ranks

Parts = list[Batch]


class _Steps(Dataset[Parts]):
    """Of each step the parts of its batch that are this process's."""

    def __init__(self, batches: TrainingBatches, size: int, accumulate: int, ranks: Ranks) -> None:
        self._batches, self._size = batches, size
        self._accumulate, self._ranks = accumulate, ranks

    def __getitem__(self, step: int) -> Parts:
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
) -> Iterator[Parts]:
    """Each step's parts, in order; the same whatever the number of workers.

    size: samples of a step, over all processes. workers: processes that read ahead; 0 reads when
    asked.
    """
    wanted = _Steps(batches, size, accumulate, ranks)
    if workers == 0:
        yield from (wanted[step] for step in steps)
        return
    yield from DataLoader(
        wanted,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        worker_init_fn=_ready,
        generator=torch.Generator(),
        multiprocessing_context="forkserver",
        persistent_workers=False,
    )


def _ready(_: int) -> None:
    """A worker ends with its training, which alone hears the signals."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
