# SPDX-License-Identifier: Apache-2.0
"""The node's messages with each field checked, as ROS 2 Humble always does."""

import sys

import numpy as np
import pytest

pytestmark = pytest.mark.ros


def test_status_passes_the_check_of_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    from std_msgs.msg import Header

    from segrgbx_ros.msg import SegmentationStatus
    from segrgbx_ros.node.outputs import status_message
    from segrgbx_ros.pipeline import FrameStatus

    module = sys.modules[SegmentationStatus.__module__]
    monkeypatch.setattr(module, "ros_python_check_fields", "1", raising=False)
    nan = float("nan")
    status = FrameStatus(
        modality="thermal",
        x_used=True,
        x_held=False,
        x_reason="",
        skew_ms=nan,
        age_ms=12.0,
        decode_ms=1.0,
        encode_ms=2.0,
        model_ms=3.0,
        output_ms=4.0,
        frames_segmented=7,
        frames_dropped=2**40,
        drop_reasons=["superseded"],
        drop_counts=np.array([2**40], np.uint64),
        mean_confidence=0.5,
        class_fractions=np.array([0.25, 0.75], np.float32),
        unlabelled_fraction=0.0,
        model="tiny",
    )
    message = status_message(status, Header())
    assert list(message.drop_counts) == [2**40]
    assert list(message.class_fractions) == [0.25, 0.75]
