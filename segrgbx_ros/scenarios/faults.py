# SPDX-License-Identifier: Apache-2.0
"""The replay of one level: its options, and the fault that no option sets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from segrgbx_core.evaluation.reading_noise import NoiseUnit
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.span import LogSpan
from segrgbx_ros.bags.topics import TopicsTaken, find_topics
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.pipeline import XEncoder
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.sensor import fitted
from segrgbx_ros.scenarios.noise import Noisy
from segrgbx_ros.scenarios.stream import Change, ChangedBag, dropped, late
from segrgbx_ros.scenarios.turning import Seen, seen, turned


@dataclass(frozen=True)
class Variant:
    """One replay. name: in words; opened, encode_through: as `replay` takes them."""

    name: str
    options: ReplayOptions
    opened: Callable[[Path, LogSpan | None], BagReader] = BagReader
    encode_through: Callable[[XEncoder], XEncoder] | None = None


@dataclass(frozen=True)
class Facts:
    """What the recording says: its topics, its length, how its images are paired at every level,
    and how X lies on RGB for `turned`."""

    topics: TopicsTaken
    duration_s: float
    sync: SyncSettings
    start: Seen | None


def facts_of(options: ReplayOptions, kind: str) -> Facts:
    """Looks into the recording. Raises what `find_topics` and `seen` raise."""
    with BagReader(options.bag) as bag:
        topics = find_topics(
            bag, options.modality, options.rgb_topic, options.x_topic, options.gt_topic
        )
        start = seen(options, bag, topics) if kind == "turned" else None
        sync = fitted(options, bag, topics) if options.fit_slop else options.sync
        return Facts(topics, bag.duration_s, sync, start)


class Faults:
    """The fault of one scenario at any level above 0. unit: of noise, to be set before it."""

    def __init__(self, kind: str, facts: Facts, seed: int) -> None:
        self._facts, self._seed = facts, seed
        self._topic = facts.topics.x or ""
        self._make = {
            "dropped": self._dropped,
            "late": self._late,
            "shifted": self._shifted,
            "noisy": self._noisy,
            "turned": self._turned,
        }[kind]
        self.unit: NoiseUnit | None = None

    def on(self, plain: Variant, level: float) -> Variant:
        """The replay with the fault of that level."""
        return self._make(plain, level)

    def _dropped(self, plain: Variant, level: float) -> Variant:
        return _changed(plain, dropped(self._topic, level, self._facts.duration_s, self._seed))

    def _late(self, plain: Variant, level: float) -> Variant:
        return _changed(plain, late(self._topic, level))

    def _shifted(self, plain: Variant, level: float) -> Variant:
        sync = plain.options.sync
        shifted = replace(sync, x_time_offset_s=sync.x_time_offset_s + level)
        return replace(plain, options=replace(plain.options, sync=shifted))

    def _noisy(self, plain: Variant, level: float) -> Variant:
        modality, seed = plain.options.modality, self._seed
        amount = level * (1.0 if self.unit is None else self.unit.value)
        return replace(
            plain, encode_through=lambda encoder: Noisy(encoder, modality, amount, seed)
        )

    def _turned(self, plain: Variant, level: float) -> Variant:
        assert self._facts.start is not None
        file = plain.options.out.with_name(f"{plain.options.out.name}.yaml")
        return replace(plain, options=turned(plain.options, self._facts.start, level, file))


def _changed(plain: Variant, change: Change) -> Variant:
    return replace(plain, opened=lambda path, _: ChangedBag(path, change))
