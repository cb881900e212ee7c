# SPDX-License-Identifier: Apache-2.0
"""The parts of a replay that depend on the sensor: pairing, decoding, encoding, alignment."""

from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
from rosbags.serde import SerdeError

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.sensor import CAMERAS_MISSING, Geometry, SensorOptions, make_encoder
from segrgbx_ros.bags.cameras import recorded_transforms, transform_between
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.cameras import CameraInfoMessage, camera_of, is_rectified
from segrgbx_ros.messages.clouds import CloudView
from segrgbx_ros.messages.images import AnyImage
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.types import EVENT_TYPES, POINT_CLOUD, typestore
from segrgbx_ros.pairing.nearest import PairingSettings
from segrgbx_ros.pairing.windows import EventWindowSettings
from segrgbx_ros.pipeline import RGB_ALONE, FrameSegmenter, Pipeline
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.pairing import NearestX, ReplayPairing, WindowedEvents


def make_pairing(options: ReplayOptions, bag: BagReader, topics: TopicsTaken) -> ReplayPairing:
    """By windows for event topics, else by nearest stamp."""
    offset = round(options.x_time_offset_s * 1e9)
    x = None if topics.x is None else bag.topic(topics.x)
    if x is not None and x.msgtype in EVENT_TYPES:
        sensor = options.sensor
        return WindowedEvents(
            x.name,
            x.msgtype,
            EventWindowSettings(
                duration_ns=round(sensor.window_ms * 1e6),
                count=sensor.window_events,
                x_time_offset_ns=offset,
            ),
        )
    return NearestX(
        PairingSettings(
            slop_ns=round(options.slop_s * 1e9),
            x_time_offset_ns=offset,
            policy="rgb_only" if topics.x is None else "approximate",
        )
    )


def make_pipeline(
    options: ReplayOptions, bag: BagReader, topics: TopicsTaken, segmenter: FrameSegmenter
) -> Pipeline:
    """With what the recording knows of the cameras, where the options need it.

    Raises InputError for options that are refused, and where a calibration lacks.
    """
    modality = options.modality
    if modality == RGB_ALONE or topics.x is None:
        return Pipeline(segmenter, RGB_ALONE, topics.rgb, None)
    x = bag.topic(topics.x)
    is_cloud = x is not None and x.msgtype == POINT_CLOUD
    sensor = options.sensor
    geometry = Geometry().with_files(sensor)
    if is_cloud or _needs_cameras(sensor):
        geometry = recorded_geometry(bag, topics).with_files(sensor)
    if is_cloud:
        # A cloud seen from the RGB camera lies on its grid already.
        encoder = make_encoder(modality, replace(sensor, align="none"), geometry)
        view = cloud_view(topics.x, geometry)
        decoder = XDecoder(modality, topics.x, cloud_view=view)
        return Pipeline(segmenter, modality, topics.rgb, topics.x, encoder, decoder)
    encoder = make_encoder(modality, sensor, geometry)
    return Pipeline(segmenter, modality, topics.rgb, topics.x, encoder)


def cloud_view(topic: str, geometry: Geometry) -> CloudView:
    """From where the point clouds of a topic are seen. Raises InputError where a part lacks."""
    what = f"Seeing the clouds of {topic} from the RGB camera"
    if geometry.rgb_camera is None:
        raise InputError(f"{what} {CAMERAS_MISSING.format(what='the RGB', option='rgb')}.")
    if geometry.rgb_from_x is None:
        raise InputError(
            f"{what} needs the transform from the cloud's frame to the RGB camera's: record "
            "/tf_static, or give --extrinsic FILE.yaml."
        )
    return CloudView(geometry.rgb_camera, geometry.rgb_from_x)


def _needs_cameras(sensor: SensorOptions) -> bool:
    return sensor.alignment == "reproject" or any("hha" in text for text in sensor.settings)


def recorded_geometry(bag: BagReader, topics: TopicsTaken) -> Geometry:
    """Both cameras by their CameraInfo, and the transform by /tf_static, as far as recorded.

    Raises InputError for a calibration that is recorded but not filled in.
    """
    return Geometry(
        _camera(bag, topics.camera_info, topics.rgb),
        None if topics.x is None else _camera(bag, topics.x_camera_info, topics.x),
        _rgb_from_x(bag, topics),
    )


def _camera(bag: BagReader, info_topic: str | None, image_topic: str) -> CameraModel | None:
    first = None if info_topic is None else bag.first(info_topic)
    if info_topic is None or first is None:
        return None
    try:
        msg = typestore().deserialize_cdr(first.data, first.msgtype)
    except SerdeError:
        return None
    info = cast(CameraInfoMessage, msg)
    return camera_of(info, info_topic, is_rectified(image_topic))


def _rgb_from_x(bag: BagReader, topics: TopicsTaken) -> npt.NDArray[np.float64] | None:
    frames = [_frame(bag, topic) for topic in (topics.rgb, topics.x) if topic is not None]
    if len(frames) < 2 or frames[0] is None or frames[1] is None:
        return None
    if frames[0] == frames[1] and frames[0]:
        return np.eye(4)
    return transform_between(recorded_transforms(bag), frames[0], frames[1])


def _frame(bag: BagReader, topic: str) -> str | None:
    first = bag.first(topic)
    if first is None:
        return None
    try:
        msg = typestore().deserialize_cdr(first.data, first.msgtype)
    except SerdeError:
        return None
    return cast(AnyImage, msg).header.frame_id
