# SPDX-License-Identifier: Apache-2.0
"""A replay as a video: the overlay or the four-up picture of every frame."""

from pathlib import Path
from typing import Literal

from segrgbx_core.files.video import VideoWriter
from segrgbx_core.readings import RgbImage
from segrgbx_ros.pipeline import SegmentedFrame
from segrgbx_ros.replay.output import FrameContext, four_up_of


class VideoFile:
    """See FrameOutput. of: which picture; see FurtherFiles."""

    def __init__(self, path: Path, of: Literal["overlay", "panels"]) -> None:
        self._writer, self._of = VideoWriter(path), of

    def write(self, index: int, done: SegmentedFrame, context: FrameContext) -> None:  # noqa: ARG002
        """See FrameOutput."""
        self._writer.add(self._picture(done, context), done.frame.rgb_stamp_ns)

    def close(self, whole: bool) -> None:
        """See FrameOutput."""
        self._writer.close(whole)

    def _picture(self, done: SegmentedFrame, context: FrameContext) -> RgbImage:
        if self._of == "panels":
            return four_up_of(done, context)
        return done.segmentation.overlay(done.frame.rgb)
