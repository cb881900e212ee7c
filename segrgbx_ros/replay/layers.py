# SPDX-License-Identifier: Apache-2.0
"""The pictures of a replay's page, written as a further output of its frames."""

from pathlib import Path

from segrgbx_core.pictures.frames import x_picture
from segrgbx_core.report.layers import LayerWriter
from segrgbx_ros.pipeline import SegmentedFrame
from segrgbx_ros.replay.output import FrameContext


class PageLayers:
    """A FrameOutput: writes each frame's layers for `report.html`."""

    def __init__(self, out: Path, expected_frames: int) -> None:
        self._layers = LayerWriter(out, expected_frames)

    def write(self, index: int, done: SegmentedFrame, context: FrameContext) -> None:
        """See FrameOutput."""
        x = None
        if done.planes is not None and done.x_used:
            x = x_picture(done.planes.data, done.segmentation.modality, done.planes.valid)
        answer = done.segmentation
        self._layers.write(
            index, done.frame.rgb, x, answer.labels, context.truth, answer.confidence_image()
        )

    def close(self, whole: bool) -> None:
        """See FrameOutput; the layers stay for the page."""
