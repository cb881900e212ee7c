# SPDX-License-Identifier: Apache-2.0
"""Finds the RGB, X and ground-truth topics of a recording that the user does not name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from segrgbx_core.errors import BagError
from segrgbx_core.modality import MODALITIES, NO_X, modality_named
from segrgbx_core.wording import spoken
from segrgbx_ros.bags.metadata import BagTopic
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.messages.sensors import IMAGE_TYPES, messages_of
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    LABEL_INFO,
    POINT_CLOUD,
    STRING,
)

COLOR_WORDS = ("rgb", "color", "colour")
PLAIN_WORDS = ("image", "camera")
TRUTH_NAME = re.compile(r"ground_?truth|(^|[/_])gt([/_]|$)")
MASK_NAME = re.compile(r"label|segmentation|(^|/)semantics?(/|$)|[/_](masks?|seg)(/|$)")
OWN_RESULT = re.compile(r"(^|/)segrgbx/")
NO_TOPIC = "none"


@dataclass(frozen=True)
class TopicsTaken:
    """The topics to use. x: None for RGB alone. The others are None if the recording has none.

    condition: text that names the condition, such as night, from each message on.
    """

    rgb: str
    x: str | None
    ground_truth: str | None
    ground_truth_labels: str | None
    camera_info: str | None
    x_camera_info: str | None = None
    condition: str | None = None


def find_topics(
    bag: BagReader,
    modality: str,
    rgb: str | None = None,
    x: str | None = None,
    ground_truth: str | None = None,
    condition: str | None = None,
) -> TopicsTaken:
    """The topics to use: those given, otherwise the only candidate by type and name.

    ground_truth "none" leaves ground truth out. Without a name, only a topic is taken as ground
    truth whose name says so, and if it is the only one: masks may be another network's. Raises
    BagError, which lists the topics, if a given topic is missing or of an unsuitable type, if
    there are no or several candidates for RGB or X, and if a topic has no messages.
    """
    images = [t for t in bag.topics if t.msgtype in IMAGE_TYPES]
    if not images:
        raise BagError(
            f"{bag.path} has no image topic ({IMAGE} or {COMPRESSED_IMAGE}); it has "
            f"{_listed(bag.topics)}."
        )
    x_name = None if modality == NO_X else _x(bag, modality, x)
    colored = [t for t in images if t.name != x_name]
    search = _Search(bag, images, "an image", "image topics")
    rgb_name = search.taken(rgb, _rgb_candidates(colored), "RGB", "--rgb-topic")
    if rgb_name == x_name:
        raise BagError(
            f"Topic {rgb_name} is requested as both RGB and X; choose two with --rgb-topic and "
            "--x-topic."
        )
    truth = _truth(search, ground_truth)
    return TopicsTaken(
        rgb=rgb_name,
        x=x_name,
        ground_truth=truth,
        ground_truth_labels=None
        if truth is None
        else _sibling(bag, truth, "label_info", LABEL_INFO),
        camera_info=_sibling(bag, rgb_name, "camera_info", CAMERA_INFO),
        x_camera_info=None
        if x_name is None
        else _sibling(bag, x_name, "camera_info", CAMERA_INFO),
        condition=_condition(bag, condition),
    )


def _condition(bag: BagReader, told: str | None) -> str | None:
    """The topic given, or the only one of text whose name says condition of ground truth."""
    if told == NO_TOPIC:
        return None
    texts = [topic for topic in bag.topics if topic.msgtype == STRING]
    if told is not None:
        search = _Search(bag, texts, "text", f"{STRING} topics")
        return search.taken(told, [], "condition", "--condition-topic")
    named = [topic.name for topic in texts if topic.count and _is_condition(topic.name.lower())]
    return named[0] if len(named) == 1 else None


def _is_condition(name: str) -> bool:
    return name.endswith("/condition") and bool(TRUTH_NAME.search(name))


def _x(bag: BagReader, modality: str, told: str | None) -> str:
    """The X topic: by name among images; by type alone for types of one sensor, such as events."""
    sensor = messages_of(modality)
    fitting = [t for t in bag.topics if t.msgtype in sensor.types]
    role = f"{spoken(modality)} (X)"
    if sensor.windowed:
        search = _Search(bag, fitting, "events", "event topics", sensor.types)
        return search.taken(told, fitting, role, "--x-topic")
    named = [t for t in fitting if t.msgtype in IMAGE_TYPES and _is_x(t, modality)]
    if not any(t.count for t in named):
        named = [t for t in fitting if t.msgtype == POINT_CLOUD] or named
    search = _Search(bag, fitting, "an image", "image topics")
    if sensor.clouds:
        search = _Search(bag, fitting, "an image or a cloud", "image and cloud topics")
    return search.taken(told, named, role, "--x-topic")


def _is_x(topic: BagTopic, modality: str) -> bool:
    words = modality_named(modality).topic_words
    return not _is_other(topic) and any(word in topic.name.lower() for word in words)


def is_mask(name: str) -> bool:
    """Whether the topic's name says that it holds masks, ground truth or not."""
    return bool(MASK_NAME.search(name.lower()) or TRUTH_NAME.search(name.lower()))


def _is_other(topic: BagTopic) -> bool:
    """Whether the topic holds masks, or the result of an earlier run in the same recording."""
    return is_mask(topic.name) or bool(OWN_RESULT.search(topic.name.lower()))


def _rgb_candidates(images: Sequence[BagTopic]) -> list[BagTopic]:
    """Topics whose name has a colour word; if there are none, those with a camera word."""
    plain = [
        t for t in images if not _is_other(t) and not any(_is_x(t, name) for name in MODALITIES)
    ]
    for words in (COLOR_WORDS, PLAIN_WORDS):
        candidates = [t for t in plain if any(word in t.name.lower() for word in words)]
        if candidates:
            return candidates
    return []


def _truth(search: "_Search", told: str | None) -> str | None:
    if told == NO_TOPIC:
        return None
    if told is not None:
        return search.taken(told, [], "ground truth", "--gt-topic")
    candidates = _truths(search.fitting)
    return candidates[0].name if len(candidates) == 1 else None


def _truths(images: Sequence[BagTopic]) -> list[BagTopic]:
    """Topics with messages whose name says ground truth."""
    said = [t for t in images if t.count and TRUTH_NAME.search(t.name.lower())]
    return _raw_preferred([t for t in said if not OWN_RESULT.search(t.name.lower())])


def untaken_truth(bag: BagReader) -> str | None:
    """One sentence on topics that may be ground truth and are not taken as such unasked."""
    images = [t for t in bag.topics if t.msgtype in IMAGE_TYPES and t.count]
    truths = _truths(images)
    if len(truths) > 1:
        return (
            f"Several topics may be ground truth: {_listed(truths)}; choose one with --gt-topic "
            "to score the masks."
        )
    masks = [t for t in images if is_mask(t.name) and not OWN_RESULT.search(t.name.lower())]
    if truths or not masks:
        return None
    return (
        f"{_listed(masks)} may hold masks of another network, and no name says ground truth; "
        "to score against one, give it as --gt-topic."
    )


@dataclass(frozen=True)
class _Search:
    """The topics of suitable types in a recording, and the terms for error messages.

    kinds: types to list if the recording has no topic of any of them.
    """

    bag: BagReader
    fitting: Sequence[BagTopic]
    what: str
    plural: str
    kinds: Sequence[str] = ()

    def taken(
        self, told: str | None, candidates: Sequence[BagTopic], role: str, option: str
    ) -> str:
        """The given topic, or the only candidate with messages. Raises BagError otherwise."""
        if told is not None:
            return self._checked(told, option)
        filled = _raw_preferred([t for t in candidates if t.count])
        if len(filled) == 1:
            return filled[0].name
        if filled:
            raise BagError(
                f"{self.bag.path} has several topics that may be {role}: {_listed(filled)}; "
                f"choose one with {option}."
            )
        if candidates:
            raise _empty(candidates[0].name, option)
        if not self.fitting:
            raise BagError(
                f"{self.bag.path} has no topic that can be {role} ({', '.join(self.kinds)}); it "
                f"has {_listed(self.bag.topics)}."
            )
        raise BagError(
            f"{self.bag.path} has no topic whose name indicates {role}; its {self.plural} are "
            f"{_listed(self.fitting)}: choose one with {option}."
        )

    def _checked(self, told: str, option: str) -> str:
        topic = self.bag.topic(told)
        if topic is None:
            raise BagError(
                f"Topic {told} ({option}) is not in {self.bag.path}; its {self.plural} are "
                f"{_listed(self.fitting)}."
            )
        if topic.msgtype not in {t.msgtype for t in self.fitting}:
            raise BagError(
                f"Topic {told} ({option}) has type {topic.msgtype}, not {self.what}; the "
                f"{self.plural} are {_listed(self.fitting)}."
            )
        if not topic.count:
            raise _empty(told, option)
        return told


def _empty(name: str, option: str) -> BagError:
    return BagError(
        f"Topic {name} has no message in this recording; record it again, or choose another with "
        f"{option}."
    )


def _raw_preferred(topics: Sequence[BagTopic]) -> list[BagTopic]:
    """The topics without compressed copies of raw topics in the list."""
    raw = [t.name for t in topics if t.msgtype == IMAGE]
    return [
        t
        for t in topics
        if t.msgtype == IMAGE or not any(t.name.startswith(f"{name}/") for name in raw)
    ]


def _sibling(bag: BagReader, name: str, last: str, msgtype: str) -> str | None:
    """The topic of that type and last name in the same namespace, as image_transport places it."""
    folders = [name.rpartition("/")[0]]
    image = bag.topic(name)
    if image is not None and image.msgtype in IMAGE_TYPES[1:]:
        folders.append(folders[0].rpartition("/")[0])
    for folder in folders:
        topic = bag.topic(f"{folder}/{last}")
        if topic is not None and topic.msgtype == msgtype and topic.count:
            return topic.name
    return None


def _listed(topics: Sequence[BagTopic]) -> str:
    return ", ".join(f"{t.name} ({t.msgtype}, {t.count})" for t in topics) or "no topic at all"
