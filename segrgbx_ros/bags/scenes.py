# SPDX-License-Identifier: Apache-2.0
"""Writes a synthetic drive as a recording of two sensors without a common trigger."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import cast

import numpy as np

from segrgbx_core.readings import Events, ImageReading, LightFieldViews
from segrgbx_core.scenes import Drive, PinholeCamera, RgbCapture, XCapture
from segrgbx_core.scenes.street.world import FIRST_STAMP_NS
from segrgbx_core.tiles import tiled
from segrgbx_ros.bags.writer import LATCHED_QOS, BagWriter
from segrgbx_ros.events.messages import EventPacketMessage
from segrgbx_ros.messages.cameras import CameraInfoMessage
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.sensors import messages_of, x_topic_of
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    EVENT_PACKET,
    IMAGE,
    LABEL_INFO,
    Header,
    header,
    label_info,
    message,
)

LATENCY_NS = 5_000_000
TRUTH_MASK = "/ground_truth/mask"
TRUTH_LABELS = "/ground_truth/label_info"
_SENSOR_ON_NS = FIRST_STAMP_NS - 3_000_000_000
_PACKETS_AN_INFO = 20


def write_drive_bag(
    drive: Drive,
    path: Path,
    storage: str = "mcap",
    on_capture: Callable[[], None] | None = None,
) -> None:
    """Writes the captures with calibration and ground truth; equal drives give equal bytes.

    X is `/<modality>/image_raw` (thermal mono16 kelvin x 100, depth 16UC1 millimetres,
    polarization mono8 mosaic, light field rgb8 with all views side by side) with the camera_info
    of one view, or `/event/events` in EventPackets of 5 ms, encoding mono. path: the recording's
    folder, which must not exist yet. storage: "mcap" or "sqlite3". on_capture: called after each
    of the len(drive) captures. Every message is logged 5 ms after its capture's stamp. Raises
    BagError if the path exists and OutputError if writing fails.
    """
    with BagWriter(path, storage) as bag:
        for name, msgtype in (
            ("/rgb/image_raw", IMAGE),
            ("/rgb/camera_info", CAMERA_INFO),
            (_x_topic(drive), messages_of(drive.settings.modality).types[0]),
            (f"/{drive.settings.modality}/camera_info", CAMERA_INFO),
            (TRUTH_MASK, IMAGE),
        ):
            bag.add_topic(name, msgtype)
        bag.add_topic(TRUTH_LABELS, LABEL_INFO, LATCHED_QOS)
        packets = count()
        for number, capture in enumerate(drive.captures()):
            if number == 0:
                _write_labels(bag, drive, capture.stamp_ns)
            if isinstance(capture, RgbCapture):
                _write_rgb(bag, capture, drive.rgb_camera)
            elif isinstance(capture.reading, Events):
                _write_events(bag, drive, capture.reading, next(packets))
            else:
                _write_image(bag, drive, capture)
            if on_capture is not None:
                on_capture()


def _x_topic(drive: Drive) -> str:
    return f"/{x_topic_of(drive.settings.modality)}"


def camera_info(camera: PinholeCamera, stamped: Header) -> CameraInfoMessage:
    """sensor_msgs/CameraInfo of an undistorted pinhole camera."""
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    roi = message(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    info: CameraInfoMessage = message(
        CAMERA_INFO,
        header=stamped,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
        r=np.eye(3).ravel(),
        p=np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], np.float64),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )
    return info


def _write_labels(bag: BagWriter, drive: Drive, stamp_ns: int) -> None:
    stamped = header(stamp_ns, drive.rgb_camera.frame_id)
    bag.write(TRUTH_LABELS, stamp_ns + LATENCY_NS, label_info(drive.label_set, stamped))


def _write_rgb(bag: BagWriter, capture: RgbCapture, camera: PinholeCamera) -> None:
    stamped = header(capture.stamp_ns, camera.frame_id)
    logged = capture.stamp_ns + LATENCY_NS
    bag.write("/rgb/image_raw", logged, image_message(capture.image, "rgb8", stamped))
    bag.write("/rgb/camera_info", logged, camera_info(camera, stamped))
    bag.write(TRUTH_MASK, logged, image_message(capture.labels, "mono8", stamped))


def _write_image(bag: BagWriter, drive: Drive, capture: XCapture) -> None:
    reading, modality = capture.reading, drive.settings.modality
    pixels = tiled(reading) if isinstance(reading, LightFieldViews) else reading
    stamped = header(capture.stamp_ns, drive.x_camera.frame_id)
    logged = capture.stamp_ns + LATENCY_NS
    image = image_message(cast(ImageReading, pixels), messages_of(modality).encoding, stamped)
    bag.write(_x_topic(drive), logged, image)
    bag.write(f"/{modality}/camera_info", logged, camera_info(drive.x_camera, stamped))


def _write_events(bag: BagWriter, drive: Drive, events: Events, number: int) -> None:
    """Writes one packet, logged after its last event, and every 20th time the calibration."""
    first = int(events.t_ns[0]) if len(events) else events.start_ns
    stamped = header(first, drive.x_camera.frame_id)
    logged = events.end_ns + LATENCY_NS
    bag.write(_x_topic(drive), logged, event_packet(events, number, stamped))
    if number % _PACKETS_AN_INFO == 0:
        topic = f"/{drive.settings.modality}/camera_info"
        bag.write(topic, logged, camera_info(drive.x_camera, stamped))


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
