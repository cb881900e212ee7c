# SPDX-License-Identifier: Apache-2.0
"""What arrives as X to a reading: which messages each modality takes, and how they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard, cast

from segrgbx_core.errors import BagError, InputError
from segrgbx_core.readings import Events, Reading
from segrgbx_ros.messages.clouds import (
    CloudView,
    PointCloudMessage,
    ReadPoints,
    depth_from_points,
    read_points,
)
from segrgbx_ros.messages.images import (
    BAYER_PIXEL_BYTES,
    READING_PIXEL_BYTES,
    AnyImage,
    Convert,
    convert_offline,
    is_compressed,
    reading_from_message,
)

XInput: TypeAlias = AnyImage | PointCloudMessage | Events


@dataclass(frozen=True)
class Accepted:
    """pixel_bytes: the encodings of one channel. colour: whether colour images are readings."""

    pixel_bytes: Mapping[str, int]
    colour: bool = False


# A raw polarization mosaic is often published under a Bayer name; a light field's views may have
# colour; a thermal image that is colour-mapped is for its encoding to judge.
ACCEPTED: Mapping[str, Accepted] = {
    "thermal": Accepted(READING_PIXEL_BYTES, colour=True),
    "depth": Accepted(READING_PIXEL_BYTES),
    "polarization": Accepted({**READING_PIXEL_BYTES, **BAYER_PIXEL_BYTES}),
    "light_field": Accepted(READING_PIXEL_BYTES, colour=True),
}


class XDecoder:
    """Messages of one X topic to readings.

    convert, read_points: how images and clouds are read, offline or in the live node.
    cloud_view: for point clouds, from where they are seen: the RGB camera.
    """

    def __init__(
        self,
        modality: str,
        topic: str,
        convert: Convert = convert_offline,
        read_points: ReadPoints = read_points,
        cloud_view: CloudView | None = None,
    ) -> None:
        self._modality, self._topic = modality, topic
        self._convert, self._read_points = convert, read_points
        self._cloud_view = cloud_view

    def __call__(self, x: XInput) -> Reading:
        """The reading as its modality's encoding takes it; events are readings already.

        Raises BagError for a message that cannot be decoded and InputError for a cloud that the
        RGB camera does not see.
        """
        if isinstance(x, Events):
            return x
        if is_cloud(x):
            return self._depth(x)
        image = cast(AnyImage, x)
        if self._modality == "event":
            raise BagError(
                f"Topic {self._topic} holds images; modality 'event' needs EventPacket or "
                "EventArray messages."
            )
        accepted = ACCEPTED[self._modality]
        if self._modality == "polarization" and is_compressed(image) and "jp" in image.format:
            raise BagError(
                f"Topic {self._topic} holds '{image.format}' pictures; JPEG mixes the angles of "
                "neighbouring pixels of a polarization mosaic: record it raw or as PNG."
            )
        return reading_from_message(
            image, self._topic, self._convert, accepted.pixel_bytes, accepted.colour
        )

    def _depth(self, cloud: PointCloudMessage) -> Reading:
        if self._modality != "depth":
            raise BagError(
                f"Topic {self._topic} holds point clouds, which serve as depth; modality "
                f"'{self._modality}' needs images."
            )
        if self._cloud_view is None:
            raise InputError(
                f"Topic {self._topic} holds point clouds; to see them from the RGB camera, its "
                "CameraInfo and the extrinsic from the cloud's frame to it are needed."
            )
        return depth_from_points(self._read_points(cloud, self._topic), self._cloud_view)


def is_cloud(x: XInput) -> TypeGuard[PointCloudMessage]:
    """Whether the message is a PointCloud2."""
    return hasattr(x, "point_step")
