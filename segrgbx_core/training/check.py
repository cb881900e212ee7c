# SPDX-License-Identifier: Apache-2.0
"""A recipe tried before its training: can the model learn one batch by heart, and how fast?"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from segrgbx_core.model.placement import choose_device
from segrgbx_core.training.board import training_progress
from segrgbx_core.training.parts import TrainingContext, TrainingParts
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import Recipe, RecipeFile, Source
from segrgbx_core.training.sources import check_before_rendering
from segrgbx_core.training.start import check_start

CHECK_STEPS = 60
_LEARNT = 0.5


@dataclass(frozen=True)
class Check:
    """first, last: loss of the batch before and after; learnt: whether it at least halved.

    step_seconds: of a step, data included. training_hours: of the recipe's steps at that speed,
    without rendering, clip tuning and validation.
    """

    first: float
    last: float
    steps: int
    step_seconds: float
    training_hours: float
    samples: dict[str, int]

    @property
    def learnt(self) -> bool:
        """Whether the loss fell to half or less."""
        return self.last <= _LEARNT * self.first

    @property
    def text(self) -> str:
        """The finding, for people."""
        held = ", ".join(f"{count} {name}" for name, count in self.samples.items())
        outcome = (
            "the recipe can learn"
            if self.learnt
            else "expected half or less: look at the labels, or at optimiser.learning_rate"
        )
        return (
            f"One batch ({held}), {self.steps} steps: loss {self.first:.3f} to {self.last:.3f}; "
            f"{outcome}. A step takes {self.step_seconds:.2f} s here, the training's steps about "
            f"{self.training_hours:.1f} hours."
        )


def check_recipe(path: Path, device: str = "auto", steps: int = CHECK_STEPS) -> Check:
    """Learns the recipe's first batch again and again, with no scene rendered beyond need.

    Raises what `train` would before its first step.
    """
    chosen = choose_device(device)
    file = RecipeFile.read(path)
    check_start(file)
    check_before_rendering(file)
    with TemporaryDirectory() as folder:
        place = TrainingContext(Path(folder), chosen, Ranks(), Console(), trial=True)
        parts = TrainingParts(replace(file, recipe=_small(file.recipe)), place)
        parts.import_start()
        parts.freeze_clip()
        return _by_heart(parts, file.recipe, steps)


def _by_heart(parts: TrainingParts, recipe: Recipe, steps: int) -> Check:
    o = recipe.optimiser
    before = time.monotonic()
    batch = parts.batches.batch(0, o.batch)
    loading = time.monotonic() - before
    pieces = [parts.batches.batch(0, o.batch, i, o.accumulate) for i in range(o.accumulate)]
    losses = []
    with training_progress(parts.place.console) as bar:
        task = bar.add_task("learning one batch", total=steps, note="")
        started = time.monotonic()
        for _ in range(steps):
            losses.append(parts.stepper(pieces, o.learning_rate))
            bar.update(task, advance=1, note=f"loss {losses[-1]:.3f}")
        seconds = (time.monotonic() - started) / steps + loading
    names = {n: batch.modalities.count(n) for n in dict.fromkeys(batch.modalities)}
    hours = seconds * o.steps / 3600
    return Check(losses[0], losses[-1], steps, seconds, hours, names)


def _small(recipe: Recipe) -> Recipe:
    """The recipe with few scenes, one for validation, and X always there."""
    sources = recipe.data.train
    enough = -(-recipe.optimiser.batch // len(sources)) + 1
    train = tuple(_fewer(source, enough) for source in sources)
    data = replace(recipe.data, train=train, validation=(_fewer(sources[0], 1),), test=())
    augment = replace(recipe.augment, x_dropout=0.0 if recipe.augment.x_dropout < 1 else 1.0)
    return replace(recipe, data=data, augment=augment)


def _fewer(source: Source, most: int) -> Source:
    if source.scenes is None:
        return source
    return replace(source, scenes=replace(source.scenes, count=min(source.scenes.count, most)))
