# SPDX-License-Identifier: Apache-2.0
"""A synthetic drive as a recording: what two cameras without a common trigger would publish."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from segrgbx_core.scenes import Drive, PinholeCamera, RgbCapture, XCapture
from segrgbx_ros.bag_writer import LATCHED_QOS, BagWriter
from segrgbx_ros.images import Header, image_message
from segrgbx_ros.message_types import CAMERA_INFO, IMAGE, LABEL_INFO, header, label_info, message

if TYPE_CHECKING:
    from rosbags.typesys.store import Msg

LATENCY_NS = 5_000_000
TRUTH_MASK = "/ground_truth/mask"
TRUTH_LABELS = "/ground_truth/label_info"


def write_drive_bag(
    drive: Drive,
    path: Path,
    storage: str = "mcap",
    on_capture: Callable[[], None] | None = None,
) -> None:
    """Writes the drive's captures with calibration and ground truth; same drive, same bytes.

    path: the recording's folder, which must not exist yet. storage: "mcap" or "sqlite3".
    on_capture: called after each of the len(drive) captures. Every message is logged 5 ms after
    its stamp. Raises BagError for a path that exists and OutputError where the disk refuses.
    """
    x_topic = f"/{drive.settings.modality}"
    with BagWriter(path, storage) as bag:
        for name, msgtype in (
            ("/rgb/image_raw", IMAGE),
            ("/rgb/camera_info", CAMERA_INFO),
            (f"{x_topic}/image_raw", IMAGE),
            (f"{x_topic}/camera_info", CAMERA_INFO),
            (TRUTH_MASK, IMAGE),
        ):
            bag.add_topic(name, msgtype)
        bag.add_topic(TRUTH_LABELS, LABEL_INFO, LATCHED_QOS)
        for number, capture in enumerate(drive.captures()):
            if number == 0:
                _write_labels(bag, drive, capture.stamp_ns)
            if isinstance(capture, RgbCapture):
                _write_rgb(bag, capture, drive.rgb_camera)
            else:
                _write_x(bag, capture, drive.x_camera, x_topic)
            if on_capture is not None:
                on_capture()


def camera_info(camera: PinholeCamera, stamped: Header) -> "Msg":
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
    return message(
        CAMERA_INFO,
        header=cast("Msg", stamped),
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


def _write_labels(bag: BagWriter, drive: Drive, stamp_ns: int) -> None:
    stamped = header(stamp_ns, drive.rgb_camera.frame_id)
    bag.write(TRUTH_LABELS, stamp_ns + LATENCY_NS, label_info(drive.label_set, stamped))


def _write_rgb(bag: BagWriter, capture: RgbCapture, camera: PinholeCamera) -> None:
    stamped = cast(Header, header(capture.stamp_ns, camera.frame_id))
    logged = capture.stamp_ns + LATENCY_NS
    bag.write("/rgb/image_raw", logged, image_message(capture.image, "rgb8", stamped))
    bag.write("/rgb/camera_info", logged, camera_info(camera, stamped))
    bag.write(TRUTH_MASK, logged, image_message(capture.labels, "mono8", stamped))


def _write_x(bag: BagWriter, capture: XCapture, camera: PinholeCamera, topic: str) -> None:
    stamped = cast(Header, header(capture.stamp_ns, camera.frame_id))
    logged = capture.stamp_ns + LATENCY_NS
    bag.write(f"{topic}/image_raw", logged, image_message(capture.reading, "mono16", stamped))
    bag.write(f"{topic}/camera_info", logged, camera_info(camera, stamped))
