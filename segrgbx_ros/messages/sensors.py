# SPDX-License-Identifier: Apache-2.0
"""What each second sensor's topics carry, one row each: the other half of `MODALITIES`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segrgbx_core.modality import modality_named
from segrgbx_ros.messages.images import BAYER_PIXEL_BYTES, READING_PIXEL_BYTES
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    EVENT_TYPES,
    IMAGE,
    POINT_CLOUD,
)

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)


@dataclass(frozen=True)
class SensorMessages:
    """One kind of second sensor in messages.

    types: message types that can be this sensor's; the first is the one that is written.
    encoding: of a written image. topic: the last name of the topics that its drivers publish.
    pixel_bytes: the image encodings of one channel. color: whether colour images are readings.
    no_jpeg: why JPEG pictures are refused; empty where they are not. windowed: whether an RGB
    image goes with a window of time instead of one message. views: whether an image holds several
    views, so that its size tells no field of view. parameters: the node's own parameters for the
    encoding's settings, by parameter; `x.settings` reaches all the others.
    """

    types: tuple[str, ...] = IMAGE_TYPES
    encoding: str = "mono16"
    topic: str = "image_raw"
    pixel_bytes: Mapping[str, int] = field(default_factory=lambda: READING_PIXEL_BYTES)
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
    # A thermal image that is colour-mapped is for its encoding to judge.
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
    # A raw mosaic is often published under a Bayer name.
    "polarization": SensorMessages(
        encoding="mono8",
        pixel_bytes={**READING_PIXEL_BYTES, **BAYER_PIXEL_BYTES},
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
    """The table's row. Raises InputError for an unknown modality."""
    return SENSORS[modality_named(modality).name]


def sensors_of_type(msgtype: str) -> tuple[str, ...]:
    """The modalities whose readings can be messages of that type."""
    return tuple(name for name, row in SENSORS.items() if msgtype in row.types)


def is_windowed(modality: str) -> bool:
    """Whether the sensor gives events rather than images; False without X."""
    return modality in SENSORS and SENSORS[modality].windowed


def x_topic_of(modality: str) -> str:
    """Where a driver of that sensor usually publishes."""
    return f"{modality}/{messages_of(modality).topic}"
