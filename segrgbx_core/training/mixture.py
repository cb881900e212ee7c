# SPDX-License-Identifier: Apache-2.0
"""Select the sample at each position of the training, without state from earlier positions."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from segrgbx_core.errors import RecipeError

_ROUND = 240


def shares_of(sizes: Sequence[int], power: float) -> list[float]:
    """Each source's share of the samples, proportional to its size to this power; sum 1."""
    weights = [float(size) ** power for size in sizes]
    return [weight / sum(weights) for weight in weights]


class Rota:
    """Gives turns to members in proportion to their shares, evenly spread, in rounds of 240 turns.

    shares: their sum is 1. In each round a member has its share of the turns, rounded, and at
    least one. Any few consecutive turns approximate the shares.
    Raises RecipeError for more members than a round has turns.
    """

    def __init__(self, shares: Sequence[float], seed: int) -> None:
        if len(shares) > _ROUND:
            raise RecipeError(f"There are {len(shares)} sources; give at most {_ROUND}.")
        self._seed = seed
        self._turns = _whole_turns(shares)

    def turn(self, place: int) -> tuple[int, int]:
        """The member whose turn it is, and its number of earlier turns."""
        if len(self._turns) == 1:
            return 0, place
        number, at = divmod(place, _ROUND)
        order = _order(tuple(self._turns), self._seed, number)
        member = int(order[at])
        return member, number * self._turns[member] + int((order[:at] == member).sum())


def _whole_turns(shares: Sequence[float]) -> list[int]:
    turns = [max(1, int(share * _ROUND)) for share in shares]
    while sum(turns) != _ROUND:
        step = 1 if sum(turns) < _ROUND else -1
        missing = [step * (share * _ROUND - n) for share, n in zip(shares, turns, strict=True)]
        free = [i for i, n in enumerate(turns) if n + step >= 1]
        turns[max(free, key=lambda i: missing[i])] += step
    return turns


@lru_cache(maxsize=64)
def _order(turns: tuple[int, ...], seed: int, number: int) -> Tensor:
    """(240,) int64 members of a round; a member's k-th of n turns is in the k-th of n sections."""
    generator = torch.Generator().manual_seed(seed * 1_000_033 + number)
    members = torch.cat([torch.full((n,), i) for i, n in enumerate(turns)])
    starts = torch.cat([torch.arange(n) / n for n in turns])
    widths = torch.cat([torch.full((n,), 1 / n) for n in turns])
    moments = starts + widths * torch.rand(_ROUND, generator=generator)
    return members[moments.argsort(stable=True)]


class Mixture:
    """Draws samples from sources of given sizes and modalities, by shares.

    Each source gives all its samples before it repeats one, in a new order each time.
    by_modality: all samples of a batch come from sources of one modality. seed: the same seed
    gives the same samples at the same positions, in any process.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        modalities: Sequence[str],
        shares: Sequence[float],
        seed: int,
        by_modality: bool = False,
    ) -> None:
        self._sizes, self._seed = sizes, seed
        names = list(dict.fromkeys(modalities)) if by_modality else [None]
        members = [
            [i for i, name in enumerate(modalities) if asked in (None, name)] for asked in names
        ]
        whole = [sum(shares[i] for i in group) if by_modality else 1.0 for group in members]
        self._groups = [
            (group, Rota([shares[i] / total for i in group], seed))
            for group, total in zip(members, whole, strict=True)
        ]
        self._batches = Rota(whole, seed + 1)

    def batch(self, step: int, size: int) -> list[tuple[int, int]]:
        """Source and sample index at each of the `size` positions of the step's batch."""
        group, number = self._batches.turn(step)
        members, rota = self._groups[group]
        turns = [rota.turn(number * size + i) for i in range(size)]
        return [(members[m], self._sample(members[m], nth)) for m, nth in turns]

    def _sample(self, source: int, nth: int) -> int:
        epoch, at = divmod(nth, self._sizes[source])
        return int(_shuffled(self._sizes[source], self._seed, source, epoch)[at])


@lru_cache(maxsize=64)
def _shuffled(size: int, seed: int, source: int, epoch: int) -> Tensor:
    number = seed * 1_000_003 + epoch + source * 50_000_000_017
    return torch.randperm(size, generator=torch.Generator().manual_seed(number))
