# SPDX-License-Identifier: Apache-2.0
"""Open the sources of a recipe: their labelled pairs, and how their classes are used."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.datasets import (
    DatasetOptions,
    FolderDataset,
    LabelledPairs,
    Skipping,
    open_dataset,
    render_stills,
)
from segrgbx_core.datasets.scenes import still_stems
from segrgbx_core.datasets.watching import doubt_about_labels_of
from segrgbx_core.errors import InputError, RecipeError
from segrgbx_core.labels.label_set import LabelSet, load_label_set
from segrgbx_core.labels.union import Membership, load_membership
from segrgbx_core.modality import NO_X
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.scenes.drive import SCENES_SET
from segrgbx_core.training.clip.towers import need_packages
from segrgbx_core.training.recipe import RecipeFile, ScenesSource, Source

log = logging.getLogger("segrgbx")


@dataclass(frozen=True)
class LabelledSource:
    """An opened source of a recipe.

    samples: its labelled pairs. active: membership of its classes in the union that the model
    answers over; None if the model answers in the source's own classes.
    """

    samples: Skipping
    active: Membership | None

    @property
    def answers(self) -> LabelSet:
        """The classes of a model that is trained on this source."""
        return self.samples.label_set if self.active is None else self.active.unified


def render_scenes(
    folder: Path, scenes: ScenesSource, on_frame: Callable[[], None] | None = None
) -> None:
    """Renders the scenes that the folder does not contain yet."""
    render_stills(folder, _settings_of(scenes), scenes.count, on_frame)


def _settings_of(scenes: ScenesSource) -> DriveSettings:
    return DriveSettings(
        modality=scenes.modality,
        width=scenes.width,
        height=scenes.height,
        seed=scenes.first_seed,
        conditions=scenes.conditions,
    )


def check_before_rendering(file: RecipeFile) -> None:
    """Raises RecipeError, LabelError or InputError for sources that cannot be used.

    Checks everything that can be checked before scenes are rendered, which may take hours.
    """
    recipe, data = file.recipe, file.recipe.data
    if recipe.clip_tuning is not None:
        need_packages(adapted=recipe.clip_tuning.lora is not None)
    groups = {"train": data.train, "validation": data.validation, "test": data.test}
    if all(source.scenes is None for sources in groups.values() for source in sources):
        return
    for name, sources in groups.items():
        for source in sources:
            if source.scenes is None:
                _pairs(source, file.folder, None)
                continue
            try:
                _settings_of(source.scenes)
            except InputError as err:
                raise RecipeError(f"{file.name}: data.{name}: {err}") from err
            if (source.label_set or recipe.label_set) is None:
                _need_classes(file, load_label_set(SCENES_SET))
            _need_modalities(file, {source.scenes.modality})


def scenes_folders(sources: tuple[Source, ...], below: Path) -> list[Path | None]:
    """The folder for each source's rendered scenes; None for a source that is on disk.

    A single source uses the folder itself. Several sources have subfolders that are named by
    position and sensor.
    """
    if len(sources) == 1:
        return [below if sources[0].scenes else None]
    return [
        below / f"{i}_{source.scenes.modality}" if source.scenes else None
        for i, source in enumerate(sources)
    ]


def open_sources(
    file: RecipeFile, sources: tuple[Source, ...], below: Path
) -> list[LabelledSource]:
    """Opens the sources; scenes are in or below the folder `below`.

    Raises RecipeError, LabelError and InputError for sources that cannot be used together.
    """
    opened = []
    for source, rendered in zip(sources, scenes_folders(sources, below), strict=True):
        samples = Skipping(_pairs(source, file.folder, rendered), on_skip=_say_skipped)
        active = union_of(source.label_set or file.recipe.label_set, file, samples)
        opened.append(LabelledSource(samples, active))
    _check_classes(file, opened)
    _need_modalities(file, {source.samples.modality for source in opened})
    return opened


def _pairs(source: Source, parent: Path, rendered: Path | None) -> LabelledPairs:
    if rendered is not None:
        assert source.scenes is not None
        # The folder may contain more scenes, from a recipe with other settings.
        stems = frozenset(still_stems(source.scenes.first_seed, source.scenes.count))
        return FolderDataset(rendered, stems=stems)
    assert source.folder is not None
    root = (parent / source.folder).resolve()
    if source.dataset is None:
        return FolderDataset(root)
    options = DatasetOptions(source.x, source.depth_scale, source.labels_from)
    return open_dataset(source.dataset, root, source.split or "train", options)


def doubts_about_labels(sources: list[LabelledSource]) -> tuple[str, ...]:
    """Sentences, also logged, on sources whose labels look like black-and-white masks.

    Raises InputError where too many labels cannot be read.
    """
    said = ((s.samples.folder, doubt_about_labels_of(s.samples)) for s in sources)
    doubts = tuple(f"{folder}: {words}" for folder, words in said if words)
    for words in doubts:
        log.warning("%s", words)
    return doubts


def _say_skipped(sentence: str) -> None:
    log.warning("A sample is left out: %s", sentence)


def union_of(label_set: str | None, file: RecipeFile, samples: LabelledPairs) -> Membership | None:
    """Membership of the samples' classes in the union that the model answers over.

    None without a label_set. Raises LabelError for a label set that cannot be used, and
    RecipeError if it is not the samples' set.
    """
    if label_set is None:
        return None
    beside = file.folder / label_set
    member = load_membership(beside if beside.is_file() else label_set)
    if member.label_set.names != samples.label_set.names:
        raise RecipeError(
            f"{file.name}: label_set is '{member.label_set.name}', but {samples.folder} has the "
            f"classes of '{samples.label_set.name}'; name the samples' own set."
        )
    return member


def _check_classes(file: RecipeFile, sources: list[LabelledSource]) -> None:
    first = sources[0].answers
    for source in sources:
        if source.answers.names != first.names:
            raise RecipeError(
                f"{file.name}: {source.samples.folder} has the classes of "
                f"'{source.answers.name}' and {sources[0].samples.folder} those of "
                f"'{first.name}'; give each source a label_set that "
                "is a part of one union."
            )
    _need_classes(file, first)


def _need_classes(file: RecipeFile, answers: LabelSet) -> None:
    expected = file.recipe.model.num_classes
    if len(answers) != expected:
        raise RecipeError(
            f"{file.name}: model.num_classes is {expected}, but label set "
            f"'{answers.name}' has {len(answers)} classes; make them equal."
        )


def _need_modalities(file: RecipeFile, there: set[str]) -> None:
    model = file.recipe.model
    missing = sorted(there - {*model.modalities, NO_X})
    if model.components and missing:
        raise RecipeError(
            f"{file.name}: the sources are of {', '.join(missing)}, which model.modalities "
            f"({', '.join(model.modalities)}) lacks; add them there."
        )
