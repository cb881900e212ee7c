# SPDX-License-Identifier: Apache-2.0
"""The message type as ROS 2 generates it from msg/SegmentationStatus.msg."""

import math
import subprocess
import sys

import pytest

pytestmark = pytest.mark.ros

FIELDS = {
    "header": "std_msgs/Header",
    "modality": "string",
    "x_used": "boolean",
    "x_held": "boolean",
    "x_reason": "string",
    "skew_ms": "double",
    "age_ms": "double",
    "decode_ms": "double",
    "encode_ms": "double",
    "model_ms": "double",
    "output_ms": "double",
    "frames_segmented": "uint64",
    "frames_dropped": "uint64",
    "drop_reasons": "sequence<string>",
    "drop_counts": "sequence<uint64>",
    "mean_confidence": "float",
    "class_fractions": "sequence<float>",
    "unlabelled_fraction": "float",
    "model": "string",
}


def test_fields_their_types_and_order() -> None:
    from segrgbx_ros.msg import SegmentationStatus

    fields = SegmentationStatus.get_fields_and_field_types()
    assert list(fields.items()) == list(FIELDS.items())


def test_a_message_survives_the_wire() -> None:
    from rclpy.serialization import deserialize_message, serialize_message

    from segrgbx_ros.msg import SegmentationStatus

    sent = SegmentationStatus(
        modality="thermal",
        x_used=False,
        x_reason="no thermal image within 30 ms",
        skew_ms=math.nan,
        model_ms=41.5,
        frames_segmented=7,
        frames_dropped=2**40,
        drop_reasons=["superseded"],
        drop_counts=[2**40],
        mean_confidence=0.75,
        model="demo",
    )
    sent.header.stamp.sec = 12
    sent.header.frame_id = "rgb_camera"
    received = deserialize_message(serialize_message(sent), SegmentationStatus)
    assert math.isnan(received.skew_ms)
    received.skew_ms = sent.skew_ms = 0.0
    assert list(received.drop_counts) == [2**40]
    assert received == sent


def test_generated_messages_and_our_modules_are_one_package() -> None:
    import segrgbx_ros.cli
    import segrgbx_ros.msg

    assert segrgbx_ros.cli.__name__.partition(".")[0] == segrgbx_ros.msg.__name__.partition(".")[0]


def test_consumers_of_the_status_load_nothing_else() -> None:
    """A monitor on another computer has neither torch nor OpenCV."""
    program = """
import sys
from segrgbx_ros.msg import SegmentationStatus
SegmentationStatus(modality="thermal")
heavy = {"torch", "cv2", "rosbags", "segrgbx_core", "rich", "yaml"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)
