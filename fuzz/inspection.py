# SPDX-License-Identifier: Apache-2.0
"""Surfaces of `segrgbx inspect`, which looks into every message of a topic."""

from collections.abc import Sequence
from functools import partial

from fuzz import events, messages
from fuzz.surface import Surface, need
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagTopic
from segrgbx_ros.inspection.topic import TopicWatch
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    DVS_EVENTS,
    EVENT_PACKET,
    IMAGE,
    POINT_CLOUD,
)

_KINDS = {
    "rgb-image": IMAGE,
    "x-picture": COMPRESSED_IMAGE,
    "cloud": POINT_CLOUD,
    "camera-info": CAMERA_INFO,
    "events-evt3": EVENT_PACKET,
    "events-mono": EVENT_PACKET,
    "events-array": DVS_EVENTS,
}


def _read(whole: Surface, kind: str, data: bytes) -> None:
    """The damaged message between two whole ones."""
    watch = TopicWatch(BagTopic("/topic", kind, 3))
    good = whole.valid()[0]
    for i, each in enumerate((good, data, good)):
        watch.look(BagMessage("/topic", kind, i, each))
    report = watch.report()
    need(report.count == 3 and report.damaged <= 1, "a whole message called damaged")


def surfaces() -> Sequence[Surface]:
    """One for each kind of message that is looked into."""
    made = {s.name: s for s in (*messages.surfaces(), *events.surfaces())}
    return tuple(
        Surface(f"inspected-{name}", made[name].seeds, partial(_read, made[name], kind))
        for name, kind in _KINDS.items()
    )
