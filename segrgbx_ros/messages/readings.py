# SPDX-License-Identifier: Apache-2.0
"""X messages to readings: which messages each modality accepts, and how they are read."""

from typing import TypeAlias, TypeGuard, cast

from segrgbx_core.bounds import most_x_pixels
from segrgbx_core.errors import BagError, InputError
from segrgbx_core.readings import Events, Reading
from segrgbx_ros.messages.clouds import (
    CloudView,
    PointCloudMessage,
    ReadPoints,
    depth_from_points,
    read_points,
)
from segrgbx_ros.messages.encodings import BAYER_PIXEL_BYTES, READING_PIXEL_BYTES
from segrgbx_ros.messages.images import (
    AnyImage,
    Convert,
    convert_offline,
    is_compressed,
    reading_from_message,
)
from segrgbx_ros.messages.sensors import messages_of

XInput: TypeAlias = AnyImage | PointCloudMessage | Events


class XDecoder:
    """Decodes the messages of one X topic.

    convert, read_points: how images and clouds are read, offline or in the live node. cloud_view:
    for point clouds, the RGB camera that sees them.
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

    def __call__(self, x: XInput, rgb_size: tuple[int, int] | None = None) -> Reading:
        """The reading for the modality's encoding; events are returned unchanged.

        rgb_size: (height, width) of the RGB image; it bounds sizes that no data are behind.
        Raises BagError for a message that cannot be decoded, and InputError for a cloud if the RGB
        camera is unknown or does not see it.
        """
        if isinstance(x, Events):
            return x
        if is_cloud(x):
            return self._depth(x, rgb_size)
        image = cast(AnyImage, x)
        sensor = messages_of(self._modality)
        if sensor.windowed:
            raise BagError(
                f"Topic {self._topic} holds images; modality '{self._modality}' needs EventPacket "
                "or EventArray messages."
            )
        if sensor.no_jpeg and is_compressed(image) and "jp" in image.format:
            raise BagError(
                f"Topic {self._topic} holds '{image.format}' pictures; {sensor.no_jpeg}: record "
                "it raw or as PNG."
            )
        bayer = BAYER_PIXEL_BYTES if sensor.bayer else {}
        pixel_bytes = {**READING_PIXEL_BYTES, **bayer}
        return reading_from_message(
            image, self._topic, self._convert, pixel_bytes, sensor.color, rgb_size
        )

    def _depth(self, cloud: PointCloudMessage, rgb_size: tuple[int, int] | None) -> Reading:
        if not messages_of(self._modality).clouds:
            raise BagError(
                f"Topic {self._topic} holds point clouds, which serve as depth; modality "
                f"'{self._modality}' needs images."
            )
        if self._cloud_view is None:
            raise InputError(
                f"Topic {self._topic} holds point clouds; to see them from the RGB camera, its "
                "CameraInfo and the extrinsic from the cloud's frame to it are needed."
            )
        camera = self._cloud_view.camera
        if camera.width * camera.height > most_x_pixels(rgb_size):
            raise InputError(
                f"The RGB camera's calibration is for images of {camera.width}x{camera.height}, "
                "far larger than the RGB image; give the CameraInfo of the image as published."
            )
        return depth_from_points(self._read_points(cloud, self._topic), self._cloud_view)


def is_cloud(x: XInput) -> TypeGuard[PointCloudMessage]:
    """Whether the message is a PointCloud2."""
    return hasattr(x, "point_step")
