# SPDX-License-Identifier: Apache-2.0
"""RGB and X of a frame as pictures for the result bag and other tools."""

from typing import TYPE_CHECKING

import numpy as np

from segrgbx_core.pictures.frames import INVALID, resized, x_picture
from segrgbx_ros.bags.writer import RGB_PICTURES, X_PICTURES
from segrgbx_ros.messages.compressed import picture_message, rgb_picture_message
from segrgbx_ros.messages.images import CompressedImageMessage
from segrgbx_ros.pipeline import SegmentedFrame

if TYPE_CHECKING:
    from segrgbx_ros.replay.output import FrameContext


def rgb_image(done: SegmentedFrame, context: "FrameContext") -> CompressedImageMessage:
    """RGB as a JPEG: the recorded one where it is one."""
    rgb, recorded = done.frame.rgb, context.rgb_message
    if recorded is None:
        return picture_message(rgb, context.header)
    return rgb_picture_message(recorded, rgb, context.header)


def x_image(done: SegmentedFrame, context: "FrameContext") -> CompressedImageMessage:
    """X as the model saw it, as a JPEG of the mask's size; without a reading all invalid."""
    (rows, columns), planes = done.segmentation.labels.shape, done.planes
    if planes is None:
        picture = np.full((rows, columns, 3), INVALID, np.uint8)
    else:
        picture = x_picture(planes.data, done.frame.modality, planes.valid)
    return picture_message(resized(picture, (columns, rows)), context.header)


PICTURES = {RGB_PICTURES: rgb_image, X_PICTURES: x_image}
"""What is written on each of IMAGE_TOPICS."""
