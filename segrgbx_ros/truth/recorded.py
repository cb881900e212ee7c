# SPDX-License-Identifier: Apache-2.0
"""Ground truth on a topic: matched to RGB by exact stamp, mapped to the model's classes."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import LabelError, SegRgbxError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.wording import counted
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.images import AnyImage, labels_from_message
from segrgbx_ros.messages.types import (
    LABEL_INFO,
    LabelInfoMessage,
    UnreadableMessageError,
    deserialized,
)

Labels = npt.NDArray[np.uint8]
KEPT = 64


@dataclass(frozen=True)
class ClassMap:
    """The recording's class ids in the model's label set.

    table: (256,) uint8, the recording's id to the model's; 255 if the model does not have the
    class. note: information for readers of the scores, None if the ids agree.
    """

    table: Labels
    note: str | None


class GroundTruth(Protocol):
    """Where the ground truth of RGB images comes from. source: for readers of the scores."""

    source: str

    def take(self, stamp_ns: int) -> Labels | None:
        """The ground truth of a stamp in the model's classes, (H, W) uint8.

        None if there is none or it cannot be read; `notes` then says so.
        """
        ...

    def refuse(self, why: str) -> None:
        """Notes that a truth cannot be used; the first such sentence is among the notes."""
        ...

    def notes(self) -> list[str]:
        """Information for readers of the scores."""
        ...


_SAME = np.arange(256, dtype=np.uint8)


def same_ids(why: str, label_set: LabelSet) -> ClassMap:
    """The ids as they are; why: that nothing names them, as the start of the sentence on it."""
    return ClassMap(
        _SAME, f"{why}; its ids are taken to be those of label set '{label_set.name}'."
    )


def mapped_by(path: Path | None, known: ClassMap, label_set: LabelSet) -> ClassMap:
    """The class map of a file (`classes: {road: [7, 8], car: [26]}`), or `known` without a file.

    The file names the model's classes and the ids of the truth that stand for each; other ids are
    left out of the scores. Raises LabelError for a file that cannot be read, an id outside 0..254
    or of two classes, and a class that the model does not have.
    """
    if path is None:
        return known
    content = filled(_ClassesFile, read_yaml(path, LabelError), str(path), LabelError)
    table = np.full(256, UNLABELLED, np.uint8)
    for name, ids in content.classes.items():
        for number in ids:
            if not 0 <= number < UNLABELLED or table[number] != UNLABELLED:
                raise LabelError(
                    f"{path} gives the id {number} to {name}; expected ids in 0..254, each once."
                )
            table[number] = label_set.id_of(name)
    return ClassMap(table, f"The ids of the ground truth were read as {path.name} says.")


@dataclass(frozen=True)
class _ClassesFile:
    classes: Mapping[str, Sequence[int]]


def class_map(bag: BagReader, topics: TopicsTaken, label_set: LabelSet) -> ClassMap:
    """By class name if the recording has a LabelInfo with names, otherwise by id."""
    topic = topics.ground_truth_labels
    first = None if topic is None else bag.first(topic)
    if topic is None or first is None:
        return same_ids("The recording does not name its ground-truth classes", label_set)
    try:
        names = names_of(first.data)
    except UnreadableMessageError as err:
        return ClassMap(
            _SAME,
            f"The class names on {topic} cannot be read, so its ids are taken to be those of "
            f"label set '{label_set.name}': {err}",
        )
    if names == dict(enumerate(label_set.names)):
        return ClassMap(_SAME, None)
    table = np.full(256, UNLABELLED, np.uint8)
    for number, name in names.items():
        if name in label_set.names and 0 <= number < UNLABELLED:
            table[number] = label_set.id_of(name)
    unknown = sorted(name for name in names.values() if name not in label_set.names)
    left_out = f"; left out of the scores: {', '.join(unknown)}" if unknown else ""
    return ClassMap(
        table,
        f"The classes on {topic} differ from the model's ('{label_set.name}') and were matched by "
        f"name{left_out}.",
    )


def names_of(data: bytes) -> dict[int, str]:
    """Class names by id, from a serialised LabelInfo. Raises UnreadableMessageError."""
    info: LabelInfoMessage = deserialized(data, LABEL_INFO)
    return {int(c.class_id): c.class_name for c in info.class_map}


class RecordedTruth:
    """Keeps undecoded ground truth until its RGB arrives. See GroundTruth."""

    def __init__(self, topic: str, classes: ClassMap) -> None:
        self.source = topic
        self._classes = classes
        self._kept: dict[int, AnyImage] = {}
        self._added, self._taken = 0, 0
        self._nearest_ns: int | None = None
        self._stamps: deque[int] = deque(maxlen=KEPT)
        self._problem: str | None = None

    def add(self, stamp_ns: int, msg: AnyImage) -> None:
        """Keeps a ground-truth image; of more than 64, the oldest is dropped."""
        self._added += 1
        self._kept[stamp_ns] = msg
        self._stamps.append(stamp_ns)
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def has(self, stamp_ns: int) -> bool:
        """Whether the ground truth of exactly this stamp has come."""
        return stamp_ns in self._kept

    def take(self, stamp_ns: int) -> Labels | None:
        """See GroundTruth."""
        msg = self._kept.pop(stamp_ns, None)
        if msg is None:
            self._note_distance(stamp_ns)
            return None
        self._taken += 1
        try:
            truth: Labels = self._classes.table[labels_from_message(msg, self.source)]
        except SegRgbxError as err:
            self.refuse(str(err))
            return None
        return truth

    def refuse(self, why: str) -> None:
        """See GroundTruth."""
        self._problem = self._problem or why

    def _note_distance(self, stamp_ns: int) -> None:
        if not self._taken and self._stamps:
            nearest = min(abs(stamp_ns - other) for other in self._stamps)
            known = self._nearest_ns
            self._nearest_ns = nearest if known is None else min(known, nearest)

    def notes(self) -> list[str]:
        """See GroundTruth."""
        notes = [] if self._classes.note is None else [self._classes.note]
        if self._problem is not None:
            notes.append(f"Some ground truth was not used: {self._problem}")
        elif self._added and not self._taken:
            notes.append(
                f"Nothing is scored: none of {counted(self._added, 'image')} on {self.source} has "
                f"the stamp of a segmented RGB image{away(self._nearest_ns)}."
            )
        return notes


def away(nearest_ns: int | None) -> str:
    """How far the nearest truth is, to be put at a sentence's end; empty if that is unknown."""
    return "" if nearest_ns is None else f"; the nearest is {nearest_ns / 1e6:.3f} ms away"
