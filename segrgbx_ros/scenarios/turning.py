# SPDX-License-Identifier: Apache-2.0
"""A calibration that is wrong by some degrees: X turned about its optical axis."""

from dataclasses import dataclass, replace
from math import cos, radians, sin
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding import encoding_of
from segrgbx_core.errors import BagError
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.yaml import yaml_text
from segrgbx_core.geometry.align import to_pixels_of
from segrgbx_core.sensor import make_encoder
from segrgbx_ros.bags.cameras import RecordedCameras
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.images import rgb_from_message
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.rgb_words import RgbWords
from segrgbx_ros.messages.types import EVENT_TYPES, POINT_CLOUD, deserialized
from segrgbx_ros.messages.video import VideoStream
from segrgbx_ros.replay.options import ReplayOptions

Matrix = npt.NDArray[np.float64]
Size = tuple[int, int]


@dataclass(frozen=True)
class Seen:
    """What a turned calibration starts from: a matrix from X to RGB.

    rgb_from_x: (4, 4) in metres where X is reprojected, else (3, 3) from X pixels to RGB pixels.
    middle: column and row of the X image's middle, which stays where it is.
    """

    rgb_from_x: Matrix
    middle: tuple[float, float] = (0.0, 0.0)


def seen(options: ReplayOptions, bag: BagReader, topics: TopicsTaken) -> Seen:
    """How X lies on RGB in that recording, with those options.

    Raises InputError where a calibration is unknown, BagError where no image can be read.
    """
    assert topics.x is not None
    topic = bag.topic(topics.x)
    cameras = RecordedCameras(bag, topics, options.cameras)
    if options.sensor.reprojects or (topic is not None and topic.msgtype == POINT_CLOUD):
        return Seen(cameras.rgb_from_x("Scenario turned"))
    rgb_size = _rgb_size(options, bag, topics.rgb)
    x_size = _x_size(options, bag, topics, rgb_size)
    middle = (x_size[1] - 1) / 2, (x_size[0] - 1) / 2
    if options.sensor.align == "homography":
        return Seen(np.reshape(np.array(options.sensor.homography), (3, 3)), middle)
    return Seen(to_pixels_of(rgb_size, x_size), middle)


def turned(options: ReplayOptions, start: Seen, degrees: float, file: Path) -> ReplayOptions:
    """The options with X turned by so much; file: for the extrinsic, if there is one to turn."""
    if len(start.rgb_from_x) == 4:
        matrix = start.rgb_from_x @ _turn(degrees, 4)
        write_whole(file, yaml_text({"matrix": matrix.ravel().tolist()}).encode())
        return replace(options, cameras=replace(options.cameras, extrinsic=file))
    right, down = start.middle
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = (right, down), (-right, -down)
    matrix = start.rgb_from_x @ there @ _turn(degrees, 3) @ back
    homography = tuple(float(value) for value in matrix.ravel())
    sensor = replace(options.sensor, align="homography", homography=homography)
    return replace(options, sensor=sensor)


def _turn(degrees: float, size: int) -> Matrix:
    angle, matrix = radians(degrees), np.eye(size)
    matrix[:2, :2] = [[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]
    return matrix


def _rgb_size(options: ReplayOptions, bag: BagReader, topic: str) -> Size:
    image = rgb_from_message(_first_image(bag, topic), topic, words=RgbWords(options.rgb))
    return image.shape[0], image.shape[1]


def _x_size(options: ReplayOptions, bag: BagReader, topics: TopicsTaken, rgb_size: Size) -> Size:
    """Of the published image; for a tiled light field, of one view."""
    topic = cast(str, topics.x)
    first = bag.first(topic)
    if first is not None and first.msgtype in EVENT_TYPES:
        packet: Any = deserialized(first.data, first.msgtype)
        return int(packet.height), int(packet.width)
    reading = XDecoder(options.modality, topic)(_first_image(bag, topic), rgb_size)
    larger = encoding_of(options.modality).published_size
    size = None if larger is None else larger(reading)
    if size is not None:
        return size
    cameras = RecordedCameras(bag, topics, options.cameras)
    encoder = make_encoder(options.modality, replace(options.sensor, align="none"), cameras)
    planes = encoder(reading, rgb_size)
    return planes.valid.shape[0], planes.valid.shape[1]


def _first_image(bag: BagReader, topic: str) -> Any:
    stream = VideoStream(topic)
    for message in bag.messages([topic]):
        images = stream.images(deserialized(message.data, message.msgtype))
        if images:
            return images[0]
    raise BagError(f"Topic {topic} of {bag.path} has no image that can be read.")
