# SPDX-License-Identifier: Apache-2.0
"""Writes a recording of several gigabytes, to see what a replay of it takes in memory.

    python -m benchmarks.long_recording out/long --images 400
    /usr/bin/time -v segrgbx replay out/long --modality thermal --out out/replay

A second of a synthetic drive, enlarged to 1920x1080, over and over: 6.2 MB an RGB image.
"""

import argparse
from itertools import cycle
from pathlib import Path

import cv2

from segrgbx_core.readings import ImageReading, RgbImage
from segrgbx_core.scenes import Drive, DriveSettings, RgbCapture
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import IMAGE, header

SIZE, X_SIZE = (1920, 1080), (640, 360)
START_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000


def main() -> None:
    """Writes the recording."""
    parser = argparse.ArgumentParser(description="Write a recording of several gigabytes.")
    parser.add_argument("out", type=Path, help="the bag's folder, which must not exist")
    parser.add_argument("--images", type=int, default=400)
    args = parser.parse_args()
    images, readings = _second()
    with BagWriter(args.out) as bag:
        for topic in ("/rgb/image_raw", "/thermal/image_raw"):
            bag.add_topic(topic, IMAGE)
        for k, image, reading in zip(
            range(args.images), cycle(images), cycle(readings), strict=False
        ):
            stamp = START_NS + k * STEP_NS
            head = header(stamp, "camera")
            bag.write("/rgb/image_raw", stamp, image_message(image, "rgb8", head))
            bag.write("/thermal/image_raw", stamp, image_message(reading, "mono16", head))


def _second() -> tuple[list[RgbImage], list[ImageReading]]:
    images, readings = [], []
    for capture in Drive(DriveSettings(seconds=1.0, width=320, height=180)).captures():
        if isinstance(capture, RgbCapture):
            images.append(cv2.resize(capture.image, SIZE, interpolation=cv2.INTER_CUBIC))
        else:
            readings.append(cv2.resize(capture.reading, X_SIZE))
    return images, readings


if __name__ == "__main__":
    main()
