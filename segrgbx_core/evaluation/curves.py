# SPDX-License-Identifier: Apache-2.0
"""Scores over the degradation of X, with RGB alone on the same frames for comparison."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segrgbx_core.datasets.samples import LabelledPairs
from segrgbx_core.evaluation.dataset import DatasetScores, evaluate
from segrgbx_core.evaluation.degrade import degrading, kind_named
from segrgbx_core.evaluation.protocol import Protocol
from segrgbx_core.segmenter import Segmenter


@dataclass(frozen=True)
class Curve:
    """kind: a name in `KINDS`; title and axis: its texts; unit: a level of 1 in the reading's own
    numbers, None where the level is in these numbers. scores: one for each level; these and
    rgb_alone are over the same frames."""

    kind: str
    title: str
    axis: str
    levels: tuple[float, ...]
    unit: str | None
    scores: tuple[DatasetScores, ...]
    rgb_alone: DatasetScores


class Degrader:
    """Curves of one model over one dataset; scores shared by several curves are measured once.

    clean: the scores with X as it is, where they are known.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        data: LabelledPairs,
        protocol: Protocol,
        clean: DatasetScores | None = None,
        seed: int = 0,
    ) -> None:
        self._segmenter, self._data, self._protocol = segmenter, data, protocol
        self._seed = seed
        everything = tuple(range(len(data)))
        self._known: dict[tuple[tuple[int, ...], bool], DatasetScores] = {}
        if clean is not None:
            self._known[everything, True] = clean

    def curve(
        self,
        kind: str,
        levels: Sequence[float] | None = None,
        on_frame: Callable[[], None] | None = None,
    ) -> Curve:
        """Scores at each level, None for the default levels; on_frame is called after each frame.

        Raises InputError for an unknown kind, invalid levels, or data that does not fit the kind.
        """
        row = kind_named(kind)
        chosen = tuple(sorted(row.levels if levels is None else levels))
        made = degrading(self._data, kind, chosen, self._seed)
        scores = []
        for level in chosen:
            if level == 0:
                scores.append(self._plain(made.indices, True, on_frame))
                continue
            scores.append(
                evaluate(
                    self._segmenter,
                    self._data,
                    on_frame=on_frame,
                    protocol=self._protocol,
                    x_of=made.x_of(level),
                    indices=made.indices,
                )
            )
        alone = self._plain(made.indices, False, on_frame)
        return Curve(
            kind=kind,
            title=row.title,
            axis=row.axis,
            levels=chosen,
            unit=made.unit,
            scores=tuple(scores),
            rgb_alone=alone,
        )

    def _plain(
        self, indices: tuple[int, ...], use_x: bool, on_frame: Callable[[], None] | None
    ) -> DatasetScores:
        key = indices, use_x
        if key not in self._known:
            self._known[key] = evaluate(
                self._segmenter, self._data, use_x, on_frame, self._protocol, indices=indices
            )
        elif on_frame is not None:
            for _ in indices:
                on_frame()
        return self._known[key]
