# SPDX-License-Identifier: Apache-2.0
"""Writes a synthetic drive as a recording of two sensors without a common trigger."""

from collections.abc import Callable
from pathlib import Path

from segrgbx_core.readings import Events
from segrgbx_core.scenes import Drive, PinholeCamera, RgbCapture
from segrgbx_ros.bags.making.captures import RgbWriter, XWriter
from segrgbx_ros.bags.making.truth import TruthWriter
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.cameras import CameraInfoMessage, info_of
from segrgbx_ros.messages.types import Header


def write_drive_bag(
    drive: Drive,
    path: Path,
    storage: str = "mcap",
    on_capture: Callable[[], None] | None = None,
) -> None:
    """Writes the captures with calibration and ground truth; equal drives give equal bytes.

    X is `/<modality>/image_raw` (thermal mono16 kelvin x 100, depth 16UC1 millimetres,
    polarization mono8 mosaic, light field rgb8 with all views side by side) with the camera_info
    of one view, or `/event/events` in EventPackets of 5 ms, encoding mono. The truth is the mask,
    the class names and the condition (`making.truth`). path: the recording's folder, which must
    not exist yet. storage: "mcap" or "sqlite3". on_capture: called after each of the len(drive)
    captures. Every message is logged 5 ms after its capture's stamp. Raises BagError if the path
    exists and OutputError if writing fails.
    """
    rgb_camera, x_camera = drive.rgb_camera, drive.x_camera
    with BagWriter(path, storage) as bag:
        truth = TruthWriter(bag, drive.label_set, with_conditions=True)
        rgb = RgbWriter(bag, rgb_camera.frame_id, rgb_camera.calibration)
        x = XWriter(bag, drive.settings.modality, x_camera.frame_id, x_camera.calibration)
        for capture in drive.captures():
            if isinstance(capture, RgbCapture):
                taken = rgb.taken_at(capture.stamp_ns)
                truth.write(capture.labels, capture.condition, taken)
                rgb.write(capture.image, taken)
            elif isinstance(capture.reading, Events):
                x.write_packet(capture.reading)
            else:
                x.write_image(capture.reading, capture.stamp_ns)
            if on_capture is not None:
                on_capture()


def camera_info(camera: PinholeCamera, stamped: Header) -> CameraInfoMessage:
    """sensor_msgs/CameraInfo of an undistorted pinhole camera."""
    return info_of(camera.calibration, stamped)
