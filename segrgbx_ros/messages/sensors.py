# SPDX-License-Identifier: Apache-2.0
"""The messages of each second sensor, one row each; complements `MODALITIES`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segrgbx_core.modality import modality_named
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    EVENT_TYPES,
    FFMPEG_PACKET,
    IMAGE,
    POINT_CLOUD,
)

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE, FFMPEG_PACKET, COMPRESSED_VIDEO)


@dataclass(frozen=True)
class SensorMessages:
    """One kind of second sensor in messages.

    types: message types of this sensor; the first is the one that is written. encoding: of a
    written image. topic: last name of the topics that its drivers publish. bayer, color: whether
    Bayer and colour images are readings, as images of one channel are. no_jpeg: why JPEG images
    are refused; empty if they are accepted. windowed: whether an RGB image is paired with a time
    window instead of one message. views: whether an image holds several views, so that its size
    does not give a field of view. parameters: encoding settings by the node parameter that sets
    them; `x.settings` sets all others.
    """

    types: tuple[str, ...] = IMAGE_TYPES
    encoding: str = "mono16"
    topic: str = "image_raw"
    bayer: bool = False
    color: bool = False
    no_jpeg: str = ""
    windowed: bool = False
    views: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def clouds(self) -> bool:
        """Whether point clouds can be its readings."""
        return POINT_CLOUD in self.types


SENSORS: dict[str, SensorMessages] = {
    "event": SensorMessages(
        types=EVENT_TYPES,
        topic="events",
        windowed=True,
        parameters={
            "event.representation": "representation",
            "event.use_incomplete": "use_incomplete",
        },
    ),
    # The thermal encoding itself handles colour-mapped images.
    "thermal": SensorMessages(
        color=True,
        parameters={
            "x.scale": "scale",
            "x.offset": "offset",
            "x.clip_min": "clip_min",
            "x.clip_max": "clip_max",
            "x.invalid": "invalid",
        },
    ),
    "depth": SensorMessages(
        types=(*IMAGE_TYPES, POINT_CLOUD),
        encoding="16UC1",
        parameters={
            "x.scale": "scale",
            "x.clip_min": "near_m",
            "x.clip_max": "far_m",
            "x.invalid": "invalid",
        },
    ),
    # A raw mosaic is often published with the name of a Bayer encoding.
    "polarization": SensorMessages(
        encoding="mono8",
        bayer=True,
        no_jpeg="JPEG mixes the angles of neighbouring pixels of a polarization mosaic",
        parameters={"polarization.layout": "layout"},
    ),
    "light_field": SensorMessages(
        encoding="rgb8",
        color=True,
        views=True,
        parameters={"light_field.rows": "rows", "light_field.columns": "columns"},
    ),
}


def messages_of(modality: str) -> SensorMessages:
    """The sensor's row. Raises InputError for an unknown modality."""
    return SENSORS[modality_named(modality).name]


def sensors_of_type(msgtype: str) -> tuple[str, ...]:
    """The modalities whose readings can be messages of that type."""
    return tuple(name for name, row in SENSORS.items() if msgtype in row.types)


def is_windowed(modality: str) -> bool:
    """Whether the sensor delivers events instead of images; False without X."""
    return modality in SENSORS and SENSORS[modality].windowed


def x_topic_of(modality: str) -> str:
    """The relative topic that a driver of that sensor usually publishes."""
    return f"{modality}/{messages_of(modality).topic}"
