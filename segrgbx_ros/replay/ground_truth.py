# SPDX-License-Identifier: Apache-2.0
"""Ground truth of a recording: matched to RGB by exact stamp, mapped to the model's classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.evaluation.metrics import ConfusionMeter, Scores
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.wording import counted
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken, untaken_truth
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


def class_map(bag: BagReader, topics: TopicsTaken, label_set: LabelSet) -> ClassMap:
    """By class name if the recording has a LabelInfo with names, otherwise by id."""
    same = np.arange(256, dtype=np.uint8)
    topic = topics.ground_truth_labels
    first = None if topic is None else bag.first(topic)
    if topic is None or first is None:
        return ClassMap(
            same,
            f"The recording does not name its ground-truth classes; its ids are taken to be those "
            f"of label set '{label_set.name}'.",
        )
    try:
        names = names_of(first.data)
    except UnreadableMessageError as err:
        return ClassMap(
            same,
            f"The class names on {topic} cannot be read, so its ids are taken to be those of "
            f"label set '{label_set.name}': {err}",
        )
    if names == dict(enumerate(label_set.names)):
        return ClassMap(same, None)
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


class GroundTruth:
    """Keeps undecoded ground truth until its RGB arrives, and scores masks against it."""

    def __init__(self, topic: str, classes: ClassMap, label_set: LabelSet) -> None:
        self._topic = topic
        self._classes = classes
        self._meter = ConfusionMeter(label_set)
        self._kept: dict[int, AnyImage] = {}
        self._added = 0
        self.problem: str | None = None

    def add(self, stamp_ns: int, msg: AnyImage) -> None:
        """Keeps a ground-truth image; of more than 64, the oldest is dropped."""
        self._added += 1
        self._kept[stamp_ns] = msg
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def has(self, stamp_ns: int) -> bool:
        """Whether a ground-truth image of exactly this stamp is kept."""
        return stamp_ns in self._kept

    def score(self, stamp_ns: int, predicted: Labels) -> Labels | None:
        """Compares a mask with the ground truth of its stamp.

        predicted: (H, W) uint8. Returns the ground truth in the model's classes, (H, W) uint8.
        None if there is none or it cannot be used; `problem` then holds the first such sentence.
        """
        msg = self._kept.pop(stamp_ns, None)
        if msg is None:
            return None
        try:
            truth: Labels = self._classes.table[labels_from_message(msg, self._topic)]
            self._meter.update(predicted, truth)
        except SegRgbxError as err:
            self.problem = self.problem or str(err)
            return None
        return truth

    def scores(self) -> Scores:
        """Over all masks compared so far."""
        return self._meter.scores()

    def notes(self) -> list[str]:
        """Information for readers of the scores."""
        notes = [] if self._classes.note is None else [self._classes.note]
        if self.problem is not None:
            notes.append(f"Some ground truth was not used: {self.problem}")
        elif self._added and not self._meter.scores().frames:
            notes.append(
                f"Nothing is scored: none of {counted(self._added, 'image')} on {self._topic} has "
                "the stamp of a segmented RGB image."
            )
        return notes


def truth_notes(bag: BagReader, told: str | None, truth: GroundTruth | None) -> list[str]:
    """The notes of the ground truth in use; without it, which topic may be meant.

    told: the option --gt-topic.
    """
    if truth is not None:
        return truth.notes()
    untaken = untaken_truth(bag) if told is None else None
    return [] if untaken is None else [untaken]
