# SPDX-License-Identifier: Apache-2.0
"""Inspects a recording: a report per topic, possible pairings, and problems."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from segrgbx_core.modality import MODALITIES
from segrgbx_core.readings import same_aspect
from segrgbx_core.wording import counted, spoken
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import OWN_RESULT
from segrgbx_ros.inspection.roles import RGB
from segrgbx_ros.inspection.timing import Times
from segrgbx_ros.inspection.topic import TopicReport, TopicWatch
from segrgbx_ros.messages.sensors import messages_of
from segrgbx_ros.messages.types import POINT_CLOUD
from segrgbx_ros.pairing.slop import LEAST_S, fitting_slop, usual_interval_ns
from segrgbx_ros.replay.options import Stamps

CLOCKS_APART_NS = 1_000_000_000
WITHOUT_X = 0.05


@dataclass(frozen=True)
class PairingOutlook:
    """How many RGB images have an X within the slop that a replay takes by itself.

    slop_s: that slop, in seconds. live: how many have one within the live node's default.
    skew_ms: median absolute distance in milliseconds to the nearest X or event packet; None where
    either has no stamps.
    """

    rgb: str
    x: str
    modality: str
    rgb_images: int
    with_x: int
    slop_s: float
    live: int
    skew_ms: float | None


@dataclass(frozen=True)
class Inspection:
    """The result of an inspection.

    duration_s: seconds. lost: one sentence on data that could not be read, None if complete.
    problems: one sentence each.
    """

    path: str
    duration_s: float
    complete: bool
    lost: str | None
    topics: tuple[TopicReport, ...]
    pairs: tuple[PairingOutlook, ...]
    problems: tuple[str, ...]


def inspect(
    bag: BagReader, on_message: Callable[[], None] | None = None, stamps: Stamps = "header"
) -> Inspection:
    """Reads every message of the recording once.

    on_message: called after each message. stamps: by which time messages are paired, as in a
    replay. A truncated recording is reported as far as it goes.
    """
    watches = {topic.name: TopicWatch(topic, stamps) for topic in bag.topics}
    for message in bag.messages(list(watches)):
        watches[message.topic].look(message)
        if on_message is not None:
            on_message()
    topics = tuple(watch.report() for watch in watches.values())
    pairs = outlooks(topics, {name: watch.stamps() for name, watch in watches.items()})
    problems = [] if bag.loss is None else [bag.loss]
    problems += [f"{t.name}: {sentence}" for t in topics for sentence in t.problems]
    problems += [sentence for pair in pairs if (sentence := _pairing_problem(pair)) is not None]
    problems += _field_problems(topics, pairs)
    problems += _missing_parts(topics)
    return Inspection(
        path=str(bag.path),
        duration_s=round(bag.duration_s, 3),
        complete=bag.loss is None,
        lost=bag.loss,
        topics=topics,
        pairs=pairs,
        problems=tuple(problems),
    )


def outlooks(
    topics: tuple[TopicReport, ...], stamps: Mapping[str, Times]
) -> tuple[PairingOutlook, ...]:
    """Each topic that is RGB by its name, with each topic that is an X by its name."""
    pairs = []
    for rgb in topics:
        if rgb.roles.likely != RGB or not rgb.count:
            continue
        for x in topics:
            if x.roles.likely in MODALITIES and x.count:
                pairs.append(_outlook(rgb, x, stamps[rgb.name], stamps[x.name]))
    return tuple(pairs)


def _outlook(rgb: TopicReport, x: TopicReport, rgb_ns: Times, x_ns: Times) -> PairingOutlook:
    stamps, others = rgb_ns[rgb_ns > 0], np.sort(x_ns[x_ns > 0])
    distance = _nearest(stamps, others)
    windowed = messages_of(str(x.roles.likely)).windowed
    slop_s = LEAST_S if windowed else fitting_slop(usual_interval_ns(x_ns))
    within, live = (int((distance <= s * 1e9).sum()) for s in (slop_s, LEAST_S))
    skew_ms = round(float(np.median(distance)) / 1e6, 3) if len(stamps) and len(others) else None
    return PairingOutlook(
        rgb=rgb.name,
        x=x.name,
        modality=str(x.roles.likely),
        rgb_images=rgb.count,
        with_x=within,
        slop_s=slop_s,
        live=live,
        skew_ms=skew_ms,
    )


def _nearest(stamps: Times, others: Times) -> Times:
    """Distance in nanoseconds from each stamp to the nearest of the others, which are sorted."""
    if not len(others) or not len(stamps):
        return np.full(len(stamps), np.iinfo(np.int64).max, np.int64)
    right = np.clip(np.searchsorted(others, stamps), 1, max(1, len(others) - 1))
    left = right - 1
    right = np.minimum(right, len(others) - 1)
    near = np.minimum(np.abs(others[right] - stamps), np.abs(others[left] - stamps))
    return np.asarray(near, np.int64)


def _pairing_problem(pair: PairingOutlook) -> str | None:
    """None also without stamps, which the topics' own problems tell."""
    enough = (1 - WITHOUT_X) * pair.rgb_images
    if pair.skew_ms is None or min(pair.with_x, pair.live) >= enough:
        return None
    images = counted(pair.rgb_images, "RGB image")
    what, near = spoken(pair.modality), f"within {pair.slop_s * 1e3:.0f} ms"
    if pair.with_x >= enough:
        return (
            f"Only {pair.live} of {images} on {pair.rgb} find {what} on {pair.x} within the live "
            f"node's {LEAST_S * 1e3:.0f} ms; start it with sync.slop {pair.slop_s:g}, as a replay "
            "does by itself, or with sync.x_time_offset if one clock is off."
        )
    whole = f"{pair.with_x} of {images} on {pair.rgb}"
    if messages_of(pair.modality).windowed:
        return (
            f"Only {whole} have event packets on {pair.x} {near}: the two were recorded at "
            "different times, or their clocks differ; give --x-time-offset."
        )
    if pair.skew_ms * 1e6 > CLOCKS_APART_NS:
        return (
            f"Only {whole} find {what} on {pair.x} {near}, half of them not even within "
            f"{pair.skew_ms / 1e3:.4g} s: the two clocks differ, or one was not recorded."
        )
    return (
        f"Only {whole} find {what} on {pair.x} {near}; the median distance is "
        f"{pair.skew_ms:.4g} ms: replay with --slop {pair.skew_ms * 1.5e-3:.2g}, or give "
        "--x-time-offset."
    )


def _field_problems(
    topics: tuple[TopicReport, ...], pairs: tuple[PairingOutlook, ...]
) -> list[str]:
    """Pairs with different aspect ratios, which a model accepts only after alignment."""
    by_name = {topic.name: topic for topic in topics}
    said = []
    for pair in pairs:
        rgb, x = by_name[pair.rgb].roles, by_name[pair.x].roles
        is_cloud = by_name[pair.x].msgtype == POINT_CLOUD
        whole_image = not is_cloud and not messages_of(pair.modality).views
        if not (whole_image and rgb.width and rgb.height and x.width and x.height):
            continue
        if not same_aspect((x.width, x.height), (rgb.width, rgb.height)):
            said.append(
                f"{pair.x} is {x.width}x{x.height} and {pair.rgb} {rgb.width}x{rgb.height}, so "
                "they show different fields of view: replay with --align homography (or "
                "reproject, for depth), or crop one of them."
            )
    return said


def _missing_parts(topics: tuple[TopicReport, ...]) -> list[str]:
    """Sentences on the roles that no topic can serve in; a result of ours alone needs none."""
    if topics and all(OWN_RESULT.search(t.name) for t in topics):
        return []
    if not any(RGB in t.roles.can for t in topics):
        return ["No topic can serve as RGB: there is no image of a colour encoding."]
    if not any(role in MODALITIES for t in topics for role in t.roles.can):
        return ["No topic can serve as X: there is neither a second image, cloud nor event topic."]
    return []
