# SPDX-License-Identifier: Apache-2.0
"""The parts of a replay that depend on the sensor: matching, decoding, encoding, alignment."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np

from segrgbx_core.modality import NO_X
from segrgbx_core.sensor import Cameras, SeenFromRgb, check_sensor, make_encoder
from segrgbx_ros.bags.cameras import RecordedCameras
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.clouds import CloudView
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.messages.types import EVENT_TYPES, POINT_CLOUD, header_stamp_ns
from segrgbx_ros.pairing.matching import Matching, SyncSettings
from segrgbx_ros.pairing.slop import fitting_slop, usual_interval_ns
from segrgbx_ros.pipeline import EmptyWindows, FrameSegmenter, Pipeline
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.pairing import (
    RecordedEvents,
    RecordedImages,
    RecordedX,
    ReplayMatch,
    ReplayMatching,
)

LOOKED_AT = 300


def make_matching(
    options: ReplayOptions,
    bag: BagReader,
    topics: TopicsTaken,
    emit: Callable[[ReplayMatch], None],
    on_drop: Callable[[int, str], None],
) -> tuple[ReplayMatching, RecordedX]:
    """The matching and its source: windows for event topics, otherwise the nearest stamp.

    on_drop: hears the stamp of each RGB image that is dropped for want of X, and the reason.
    """
    x = None if topics.x is None else bag.topic(topics.x)
    modality = NO_X if x is None else options.modality
    events = x is not None and x.msgtype in EVENT_TYPES
    matching: ReplayMatching = Matching(modality, events, options.pairing, emit, on_drop)
    if x is not None and events:
        return matching, RecordedEvents(matching, options, x.name, x.msgtype)
    return matching, RecordedImages(matching, options, topics.x or "")


def make_pipeline(
    options: ReplayOptions, bag: BagReader, topics: TopicsTaken, segmenter: FrameSegmenter
) -> Pipeline:
    """The pipeline with the cameras of the recording, if the options need them.

    Raises InputError for invalid options, and if a calibration is unknown.
    """
    modality = options.modality
    if modality == NO_X or topics.x is None:
        return Pipeline(segmenter, NO_X, topics.rgb, None, rgb=options.rgb)
    x = bag.topic(topics.x)
    cameras = RecordedCameras(bag, topics, options.cameras)
    if x is None or x.msgtype != POINT_CLOUD:
        encoder = make_encoder(modality, options.sensor, cameras)
        return Pipeline(
            segmenter,
            modality,
            topics.rgb,
            topics.x,
            encoder,
            rgb=options.rgb,
            settings=check_sensor(modality, options.sensor),
            empty=EmptyWindows.of(modality, options.pairing),
        )
    # A cloud seen from the RGB camera is already on its grid.
    encoder = make_encoder(modality, replace(options.sensor, align="none"), SeenFromRgb(cameras))
    decoder = XDecoder(modality, topics.x, cloud_view=cloud_view(topics.x, cameras))
    return Pipeline(segmenter, modality, topics.rgb, topics.x, encoder, decoder, rgb=options.rgb)


def fitted(options: ReplayOptions, bag: BagReader, topics: TopicsTaken) -> SyncSettings:
    """The pairing with the slop that fits X; as it is without X, for events and exact pairs."""
    sync = options.sync
    if topics.x is None or is_windowed(options.modality) or sync.policy == "exact":
        return sync
    times = []
    for message in islice(bag.messages([topics.x]), LOOKED_AT):
        stamp = None if options.stamps == "log" else header_stamp_ns(message.data, message.msgtype)
        times.append(message.log_time_ns if stamp is None else stamp)
    return replace(sync, slop_s=fitting_slop(usual_interval_ns(np.array(times, np.int64))))


def cloud_view(topic: str, cameras: Cameras) -> CloudView:
    """The camera that sees the point clouds of a topic. Raises InputError if it is unknown."""
    purpose = f"Seeing the clouds of {topic} from the RGB camera"
    return CloudView(cameras.rgb_camera(purpose), cameras.rgb_from_x(purpose))
