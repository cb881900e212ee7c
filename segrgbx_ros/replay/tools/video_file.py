# SPDX-License-Identifier: Apache-2.0
"""A replay as a video: the overlay or the four-up picture of every frame."""

from pathlib import Path
from typing import Literal

import numpy as np

from segrgbx_core.files.video import VideoWriter
from segrgbx_core.pictures.frames import BAND
from segrgbx_core.readings import RgbImage
from segrgbx_ros.pipeline import SegmentedFrame
from segrgbx_ros.replay.output import FrameContext, four_up_of


class VideoFile:
    """See FrameOutput. of: which picture; see FurtherFiles."""

    def __init__(self, path: Path, of: Literal["overlay", "panels"]) -> None:
        self._writer, self._of = VideoWriter(path), of
        self._rows: int | None = None

    def write(self, index: int, done: SegmentedFrame, context: FrameContext) -> None:  # noqa: ARG002
        """See FrameOutput."""
        self._writer.add(self._picture(done, context), done.frame.rgb_stamp_ns)

    def close(self, whole: bool) -> None:
        """See FrameOutput."""
        self._writer.close(whole)

    def _picture(self, done: SegmentedFrame, context: FrameContext) -> RgbImage:
        if self._of == "panels":
            picture = four_up_of(done, context)
            self._rows = self._rows or picture.shape[0]
            return of_rows(picture, self._rows)
        return done.segmentation.overlay(done.frame.rgb)


def of_rows(picture: RgbImage, rows: int) -> RgbImage:
    """The picture with so many rows: its legend, which has rows by the classes seen, cut or
    continued."""
    missing = max(0, rows - picture.shape[0])
    below = np.full((missing, *picture.shape[1:]), BAND, np.uint8)
    return np.vstack([picture[:rows], below])
