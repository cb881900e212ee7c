# SPDX-License-Identifier: Apache-2.0
"""Run a training from its recipe, or try the recipe on one batch before its training."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from segrgbx_core.console import PlainConsole
from segrgbx_core.files.disk import claim_output, disk_errors, need_no_inputs, need_no_links
from segrgbx_core.modality import sensor_in_words
from segrgbx_core.model.placement import choose_device
from segrgbx_core.stopping import sigterm_interrupts
from segrgbx_core.training.board import (
    BOARD,
    BOARD_FILES,
    LOG,
    Board,
    need_tensorboard,
    training_progress,
)
from segrgbx_core.training.loop import MODEL, Training, say
from segrgbx_core.training.parts import DATA, TrainingContext, TrainingParts
from segrgbx_core.training.ranks import Ranks, local_device, process_group
from segrgbx_core.training.recipe import Recipe, RecipeFile, Source
from segrgbx_core.training.sources import check_before_rendering
from segrgbx_core.training.start import check_start, start_of
from segrgbx_core.training.state import CHECKPOINT, need_checkpoint


@dataclass(frozen=True)
class Machine:
    """How to use the machine; it does not affect what a step learns.

    device: "auto", "cpu", "cuda" or "cuda:N". workers: processes that read samples ahead; 0 reads
    between steps. tensorboard: whether to write TensorBoard's files.
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
    loss, validation mIoU, each sensor's mIoU) and `model/`. resume: continue an interrupted
    training exactly from its last checkpoint. force: write into a folder that has files. Started
    by torchrun, the processes share one training. SIGINT and SIGTERM end it after the current
    step, with a checkpoint and KeyboardInterrupt.
    Raises RecipeError, LabelError, ModelError, InputError and OutputError.
    """
    machine = machine or Machine()
    with process_group(machine.device) as ranks:
        file = RecipeFile.read(path)
        place = TrainingContext(
            out,
            local_device(choose_device(machine.device)),
            ranks,
            PlainConsole(quiet=not ranks.first),
        )
        try:
            with sigterm_interrupts():
                training = _begun(file, place, machine, resume=resume, force=force)
        except KeyboardInterrupt:
            if ranks.first and ranks.must_report():
                _say_stopped_before_steps(path, place, resume)
            raise
        board = Board(out / BOARD if machine.tensorboard and ranks.first else None)
        return training.run(machine.workers, board)


def _begun(
    file: RecipeFile, place: TrainingContext, machine: Machine, *, resume: bool, force: bool
) -> Training:
    """Prepares everything before the first step; reports errors before it renders scenes."""
    if machine.tensorboard:
        need_tensorboard()
    if resume:
        need_checkpoint(place.out / CHECKPOINT)
    else:
        check_start(file)
    check_before_rendering(file)
    if not resume:
        place.ranks.first_does(lambda: _claim(file, place.out, force))
    need_no_links(place.out / name for name in (MODEL, DATA, BOARD))
    training = Training(TrainingParts(file, place))
    training.begin(resume)
    return training


def _claim(file: RecipeFile, out: Path, force: bool) -> None:
    """Makes a new training's folder; removes the log, curves and checkpoint of an earlier one.

    They would otherwise be mistaken for this training's. The recipe, and the weights that it
    starts from, must not be among what is removed or replaced.
    """
    need_no_links(out / name for name in (MODEL, DATA, BOARD))
    replaced = [out / LOG, out / CHECKPOINT, *(out / MODEL).glob("*")]
    start = start_of(file)
    need_no_inputs(replaced, [file.path, *([] if start is None else [start])])
    claim_output(out, force)
    with disk_errors(out):
        for path in (out / LOG, out / CHECKPOINT, *(out / BOARD).glob(BOARD_FILES)):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # of what is not ours it keeps the rest
            (out / BOARD).rmdir()


def _say_stopped_before_steps(path: Path, place: TrainingContext, resume: bool) -> None:
    say(
        place.console,
        "Stopped before the first step; rendered scenes are kept. Begin again with",
        f"  segrgbx train {path} --out {place.out} {'--resume' if resume else '--force'}",
    )


CHECK_STEPS = 60
_LEARNT = 0.5
_TIMED_STEPS = 5


@dataclass(frozen=True)
class Check:
    """The result of a check.

    first, last: loss of the batch before and after. step_seconds: duration of a step with data
    loading, before any change of the augmentation. training_hours: duration of all steps of the
    recipe, each stage of the augmentation at its own speed, without rendering, CLIP tuning and
    validation. doubts: why the labels look wrong.
    """

    first: float
    last: float
    steps: int
    step_seconds: float
    training_hours: float
    samples: dict[str, int]
    doubts: tuple[str, ...] = ()

    @property
    def learnt(self) -> bool:
        """Whether the loss at least halved, and the labels are not doubted."""
        return self.last <= _LEARNT * self.first and not self.doubts

    @property
    def text(self) -> str:
        """The result as a sentence."""
        held = ", ".join(f"{n} {sensor_in_words(name)}" for name, n in self.samples.items())
        outcome = (
            "the recipe can learn"
            if self.learnt
            else "expected half or less: look at the labels, or at optimiser.learning_rate"
        )
        if self.doubts:
            outcome = f"but the labels look wrong: {' '.join(self.doubts).rstrip('.')}"
        return (
            f"One batch ({held}), {self.steps} steps: loss {self.first:.3f} to {self.last:.3f}; "
            f"{outcome}. A step takes {self.step_seconds:.2f} s here, the training's steps about "
            f"{self.training_hours:.1f} hours."
        )


def check_recipe(path: Path, device: str = "auto", steps: int = CHECK_STEPS) -> Check:
    """Trains on the recipe's first batch repeatedly; renders only the scenes that this needs.

    Raises the errors that `train` raises before its first step.
    """
    chosen = choose_device(device)
    file = RecipeFile.read(path)
    check_start(file)
    check_before_rendering(file)
    with TemporaryDirectory() as folder:
        place = TrainingContext(Path(folder), chosen, Ranks(), PlainConsole(), trial=True)
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
    begins = (*parts.batches.begins, o.steps)
    later = [_step_seconds(parts, begin, recipe) for begin in begins[1:-1]]
    stages = zip((seconds, *later), pairwise(begins), strict=True)
    hours = sum(each * (end - begin) for each, (begin, end) in stages) / 3600
    return Check(
        first=losses[0],
        last=losses[-1],
        steps=steps,
        step_seconds=seconds,
        training_hours=hours,
        samples=names,
        doubts=parts.doubts,
    )


def _step_seconds(parts: TrainingParts, step: int, recipe: Recipe) -> float:
    """Duration of a step with data loading at a later stage of the augmentation."""
    o, times = recipe.optimiser, []
    for _ in range(_TIMED_STEPS):
        before = time.monotonic()
        pieces = [parts.batches.batch(step, o.batch, i, o.accumulate) for i in range(o.accumulate)]
        parts.stepper(pieces, 0.0)
        times.append(time.monotonic() - before)
    return median(times)


def _small(recipe: Recipe) -> Recipe:
    """The recipe with few training scenes, one validation scene, and X in every sample."""
    sources = recipe.data.train
    enough = -(-recipe.optimiser.batch // len(sources)) + 1
    train = tuple(_fewer(source, enough) for source in sources)
    data = replace(recipe.data, train=train, validation=(_fewer(sources[0], 1),), test=())
    dropout = 0.0 if recipe.augment.uses_x else 1.0
    augment = replace(recipe.augment, x_dropout=dropout, x_wrong=0.0, x_late=0.0)
    return replace(recipe, data=data, augment=augment)


def _fewer(source: Source, most: int) -> Source:
    if source.scenes is None:
        return source
    return replace(source, scenes=replace(source.scenes, count=min(source.scenes.count, most)))
