# SPDX-License-Identifier: Apache-2.0
"""Small recordings with ground truth, and the options to replay them."""

from collections.abc import Container, Iterable, Mapping
from pathlib import Path

import numpy as np

from segrgbx_core.sensor import SensorSettings
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import STRING, header, message
from segrgbx_ros.replay.options import ReplayOptions

MS = 1_000_000
START = 1_700_000_000_000 * MS
STATELESS = SensorSettings(("range_memory=0",))
"""Without it the range of thermal images follows earlier ones."""


def drive_bag(
    path: Path,
    frames: Iterable[int],
    conditions: Mapping[int, str] | None = None,
    without_x: Container[int] = (),
) -> Path:
    """Frame k at k * 100 ms: RGB (48, 64), thermal (24, 32) 3 ms later, truth of two classes.

    conditions: by the frame before which they are told. without_x: frames without thermal.
    """
    conditions = conditions or {}
    with BagWriter(path, "mcap") as bag:
        if conditions:
            bag.add_topic("/ground_truth/condition", STRING)
        for topic in ("/rgb/image_raw", "/thermal/image_raw", "/ground_truth/mask"):
            bag.add_topic(topic, "sensor_msgs/msg/Image")
        for k in frames:
            draw = np.random.default_rng(k)
            at = START + 100 * k * MS
            if k in conditions:
                bag.write("/ground_truth/condition", at, message(STRING, data=conditions[k]))
            rgb = draw.integers(0, 256, (48, 64, 3), np.uint8)
            x = draw.integers(28000, 31000, (24, 32)).astype(np.uint16)
            truth = np.repeat(draw.integers(0, 2, (48, 1), np.uint8), 64, axis=1)
            for topic, late, pixels, encoding in (
                ("/rgb/image_raw", 0, rgb, "rgb8"),
                ("/thermal/image_raw", 3, x, "mono16"),
                ("/ground_truth/mask", 0, truth, "mono8"),
            ):
                if topic.startswith("/thermal") and k in without_x:
                    continue
                stamp = header(at + late * MS, "camera")
                log_ns = at + (late + 1) * MS
                bag.write(topic, log_ns, image_message(pixels, encoding, stamp))
    return path


def drive_options(
    model: Path, out: Path, bag: Path = Path("bag"), **other: object
) -> ReplayOptions:
    """Stateless thermal on the CPU."""
    return ReplayOptions(
        bag, "thermal", out, model=model, device="cpu", backend="eager", sensor=STATELESS, **other
    )  # type: ignore[arg-type]
