# SPDX-License-Identifier: Apache-2.0
"""What a topic can serve as, tested on its first message with the code that would use it."""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from segrgbx_core.encoding import encode
from segrgbx_core.errors import BagError, SegRgbxError
from segrgbx_core.modality import MODALITIES
from segrgbx_ros.bags.topics import COLOR_WORDS, OWN_RESULT, TRUTH_NAME, is_mask
from segrgbx_ros.events.messages import raw_packet
from segrgbx_ros.messages.cameras import CameraInfoMessage, camera_from_info
from segrgbx_ros.messages.clouds import PointCloudMessage, read_points
from segrgbx_ros.messages.images import (
    AnyImage,
    ImageMessage,
    UndecodedVideo,
    is_compressed,
    rgb_from_message,
)
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.sensors import sensors_of_type
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    EVENT_TYPES,
    IMAGE,
    LABEL_INFO,
    POINT_CLOUD,
)
from segrgbx_ros.messages.video import VideoStream, is_video

RGB = "RGB"
GREY = ("mono8", "mono16")


@dataclass(frozen=True)
class Roles:
    """What a topic can serve as.

    can: possible roles, the most likely first. likely: the role that the name indicates too.
    why_not: a sentence if there is no role, or not the one that the name indicates. content:
    encoding or format. width, height: pixels, None if there are none.
    """

    can: tuple[str, ...]
    likely: str | None
    why_not: str | None
    content: str | None
    width: int | None
    height: int | None


def roles_of(name: str, msgtype: str, msg: Any) -> Roles:
    """The roles of a topic from its name, type and first message."""
    if is_video(msg):
        return _video_roles(name, msg)
    if msgtype in (IMAGE, COMPRESSED_IMAGE):
        return _image_roles(name, msg)
    if msgtype == POINT_CLOUD:
        return _cloud_roles(name, msg)
    if msgtype == CAMERA_INFO:
        return _camera_roles(name, msg)
    return roles_of_type(msgtype)


def roles_of_type(msgtype: str) -> Roles:
    """The roles from the type alone, if there is no message or the type is sufficient."""
    if msgtype in EVENT_TYPES:
        can = sensors_of_type(msgtype)
        return Roles(can, can[0], None, None, None, None)
    if msgtype == LABEL_INFO:
        return Roles(("class names",), "class names", None, None, None, None)
    return Roles((), None, None, None, None, None)


def event_roles(data: bytes, msgtype: str, topic: str) -> Roles:
    """The roles from the first event message that could be decoded."""
    packet = raw_packet(data, msgtype, topic)
    can = sensors_of_type(msgtype)
    return Roles(can, can[0], None, packet.encoding, packet.width, packet.height)


def named_modality(name: str) -> str | None:
    """The X sensor that a topic's name indicates; None if it indicates none."""
    said = name.lower()
    return next(
        (m.name for m in MODALITIES.values() if any(w in said for w in m.topic_words)), None
    )


def _image_roles(name: str, msg: AnyImage) -> Roles:
    if isinstance(msg, UndecodedVideo):
        raise BagError(msg.problem)
    content, width, height = _image_content(msg, name)
    what = _mask_role(name.lower())
    if what is not None:
        return Roles((what,), what, None, content, width, height)
    refusals: dict[str, str] = {}
    for role in (RGB, *sensors_of_type(IMAGE)):
        refusal = _refusal(role, name, msg)
        if refusal is not None:
            refusals[role] = refusal
    said = named_modality(name)
    grey = content in GREY
    if grey and said is not None:
        refusals[RGB] = f"{name} is grey, and its name says {said}."
    can = [role for role in (RGB, *sensors_of_type(IMAGE)) if role not in refusals]
    if said is None and ((RGB in can and not grey) or any(w in name.lower() for w in COLOR_WORDS)):
        said = RGB
    likely = said if said in can else None
    can.sort(key=lambda role: (role != likely, role == RGB and grey))
    why_not = refusals.get(said) if said is not None else None
    if not can and why_not is None:
        why_not = next(iter(refusals.values()))
    return Roles(tuple(can), likely, why_not, content, width, height)


def _mask_role(name: str) -> str | None:
    """What the name says of masks; those of unknown origin are ground truth only on request."""
    if OWN_RESULT.search(name):
        return "earlier result"
    if TRUTH_NAME.search(name):
        return "ground truth"
    return "mask" if is_mask(name) else None


def _video_roles(name: str, msg: Any) -> Roles:
    """The roles of a video's first image; without PyAV, none."""
    stream = VideoStream(name)
    content = f"video {getattr(msg, 'encoding', None) or msg.format}"
    try:
        (first, *_) = [*stream.images(msg), *stream.flush()]
        roles = _image_roles(name, first)
    except SegRgbxError as err:
        width, height = getattr(msg, "width", None), getattr(msg, "height", None)
        return Roles((), None, str(err), content, width, height)
    return replace(roles, content=content)


def _refusal(role: str, name: str, msg: AnyImage) -> str | None:
    """Why the image cannot serve in this role; None if it can."""
    try:
        if role == RGB:
            rgb_from_message(msg, name)
        else:
            encode(role, XDecoder(role, name)(msg))
    except SegRgbxError as err:
        return str(err)
    return None


def _image_content(msg: AnyImage, name: str) -> tuple[str, int | None, int | None]:
    """Encoding or format, width and height."""
    if not is_compressed(msg):
        raw = cast(ImageMessage, msg)
        return raw.encoding, raw.width, raw.height
    for role in (RGB, *sensors_of_type(IMAGE)):
        try:
            image = (
                rgb_from_message(msg, name)
                if role == RGB
                else np.asarray(XDecoder(role, name)(msg))
            )
        except SegRgbxError:
            continue
        return msg.format.strip(), image.shape[1], image.shape[0]
    return msg.format.strip(), None, None


def _cloud_roles(name: str, msg: PointCloudMessage) -> Roles:
    content = "points " + ", ".join(field.name for field in msg.fields)
    try:
        read_points(msg, name)
    except SegRgbxError as err:
        return Roles((), None, str(err), content, msg.width, msg.height)
    can = sensors_of_type(POINT_CLOUD)
    return Roles(can, can[0], None, content, msg.width, msg.height)


def _camera_roles(name: str, msg: CameraInfoMessage) -> Roles:
    content = msg.distortion_model or "no distortion model"
    try:
        camera_from_info(msg, name)
    except SegRgbxError as err:
        return Roles((), None, str(err), content, msg.width, msg.height)
    return Roles(("calibration",), "calibration", None, content, msg.width, msg.height)
