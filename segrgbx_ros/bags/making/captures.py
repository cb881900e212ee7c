# SPDX-License-Identifier: Apache-2.0
"""Captures of the two sensors as the messages that their drivers publish."""

from itertools import count

import numpy as np

from segrgbx_core.encoding import EncodingSettings, encoding_of
from segrgbx_core.encoding.table import checked_settings
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.readings import Events, ImageReading, Planes, Reading, RgbImage
from segrgbx_core.scenes.street.world import FIRST_STAMP_NS
from segrgbx_ros.bags.making.stream import CaptureTime, MessageSink
from segrgbx_ros.events.messages import EventPacketMessage
from segrgbx_ros.messages.cameras import info_of
from segrgbx_ros.messages.encodings import READING_PIXEL_BYTES
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.sensors import messages_of, x_topic_of
from segrgbx_ros.messages.types import CAMERA_INFO, EVENT_PACKET, IMAGE, Header, header, message

LATENCY_NS = 5_000_000
"""How long after its stamp a message is logged."""

RGB_TOPIC = "/rgb/image_raw"
_RGB_INFO = "/rgb/camera_info"
_SENSOR_ON_NS = FIRST_STAMP_NS - 3_000_000_000
_PACKETS_AN_INFO = 20


class RgbWriter:
    """Writes RGB images. camera: None writes no camera_info."""

    def __init__(self, bag: MessageSink, frame_id: str, camera: CameraModel | None) -> None:
        self._bag, self._frame_id, self._camera = bag, frame_id, camera
        bag.add_topic(RGB_TOPIC, IMAGE)
        if camera is not None:
            bag.add_topic(_RGB_INFO, CAMERA_INFO)

    def taken_at(self, stamp_ns: int) -> CaptureTime:
        """Header and log time of the image of that stamp."""
        return CaptureTime(header(stamp_ns, self._frame_id), stamp_ns + LATENCY_NS)

    def write(self, image: RgbImage, taken: CaptureTime) -> None:
        """image: (H, W, 3) uint8, red first."""
        msg = image_message(image, "rgb8", taken.header)
        self._bag.write(RGB_TOPIC, taken.log_time_ns, msg)
        if self._camera is not None:
            info = info_of(self._camera, taken.header)
            self._bag.write(_RGB_INFO, taken.log_time_ns, info)


class XWriter:
    """Writes the second sensor's readings on `/<modality>/image_raw` or `/<modality>/events`.

    camera: of X, for tiled views of one view; None writes no camera_info. settings: what the
    readings mean, None for the defaults. told: the settings by which a replay reads the messages,
    known after the first image.
    """

    def __init__(
        self,
        bag: MessageSink,
        modality: str,
        frame_id: str,
        camera: CameraModel | None,
        settings: EncodingSettings | None = None,
    ) -> None:
        self._bag, self._frame_id, self._camera = bag, frame_id, camera
        self._modality, self._row = modality, messages_of(modality)
        self._imaged = encoding_of(modality).imaged
        self._settings = checked_settings(modality, settings)
        self.told = self._settings
        self._topic, self._info = f"/{x_topic_of(modality)}", f"/{modality}/camera_info"
        self._number = count()
        bag.add_topic(self._topic, self._row.types[0])
        if camera is not None:
            bag.add_topic(self._info, CAMERA_INFO)

    def write_image(self, reading: Reading | Planes, stamp_ns: int) -> None:
        """Raises InputError for a reading that no driver publishes as an image."""
        pixels = self._pixels(reading)
        stamped, logged = header(stamp_ns, self._frame_id), stamp_ns + LATENCY_NS
        encoding = image_encoding(pixels, self._row.encoding)
        self._bag.write(self._topic, logged, image_message(pixels, encoding, stamped))
        self._write_info(stamped, logged)

    def _pixels(self, reading: Reading | Planes) -> ImageReading:
        if isinstance(reading, Planes) or self._imaged is None:
            raise InputError(
                f"Its {self._modality.replace('_', ' ')} is a picture made from readings, which "
                "no driver publishes; choose an X of numbers (--x)."
            )
        pixels, self.told = self._imaged(reading, self._settings)
        return pixels

    def write_packet(self, events: Events, after_loss: bool = False) -> None:
        """Writes one packet, logged after its last event, and every 20th time the calibration.

        after_loss: a packet before it is missing in the numbers, as if it was lost.
        """
        number = next(self._number)
        if after_loss:
            number = next(self._number)
        first = int(events.t_ns[0]) if len(events) else events.start_ns
        stamped, logged = header(first, self._frame_id), events.end_ns + LATENCY_NS
        self._bag.write(self._topic, logged, event_packet(events, number, stamped))
        if number % _PACKETS_AN_INFO == 0:
            self._write_info(stamped, logged)

    def _write_info(self, stamped: Header, logged_ns: int) -> None:
        if self._camera is not None:
            self._bag.write(self._info, logged_ns, info_of(self._camera, stamped))


def image_encoding(pixels: ImageReading, usual: str) -> str:
    """The encoding of an image (H, W) or (H, W, 3) of uint8, uint16 or float32.

    usual: what the sensor's drivers publish, taken where the pixels fit into it.
    """
    if pixels.ndim == 3:
        return "rgb8"
    if READING_PIXEL_BYTES.get(usual) == pixels.itemsize:
        return usual
    return {1: "mono8", 2: "mono16", 4: "32FC1"}[pixels.itemsize]


def event_packet(events: Events, number: int, stamped: Header) -> EventPacketMessage:
    """event_camera_msgs/EventPacket of one window of less than 4 s, encoding mono.

    Each event has 64 bits: polarity in bit 63, y in 48 to 62, x in 32 to 47, nanoseconds since
    time_base in 0 to 31. time_base is on the sensor's clock, which starts at power-on. The header
    has the time of the first event on the clock of the other sensors, without a transport delay.
    number: index of the packet in the stream, from 0.
    """
    after = (events.t_ns - events.start_ns).astype(np.uint64)
    words = after | events.x.astype(np.uint64) << 32 | events.y.astype(np.uint64) << 48
    words |= events.polarity.astype(np.uint64) << 63
    packet: EventPacketMessage = message(
        EVENT_PACKET,
        header=stamped,
        height=events.height,
        width=events.width,
        seq=number,
        time_base=events.start_ns - _SENSOR_ON_NS,
        encoding="mono",
        is_bigendian=False,
        events=words.astype("<u8").view(np.uint8),
    )
    return packet
