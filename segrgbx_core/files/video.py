# SPDX-License-Identifier: Apache-2.0
"""Writes pictures as an MP4 file of H.264, each at its own time, with PyAV."""

from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segrgbx_core.errors import OutputError
from segrgbx_core.files.disk import disk_errors, replacing
from segrgbx_core.files.resources import package_for
from segrgbx_core.readings import RgbImage

TICKS = Fraction(1, 90_000)
FIRST_STEP_NS = 100_000_000
LONGEST_STEP_NS = 10_000_000_000
_QUALITY = {"crf": "20", "preset": "veryfast", "bf": "0"}


class VideoWriter:
    """A new MP4 file, which takes its name when it is closed; made with the first picture.

    The time between two pictures is that between their stamps. Where a stamp steps back or by
    more than 10 s, the last step is taken again. All pictures are brought to the first one's
    size, which is made even by repeating its last row or column. Raises InputError where PyAV is
    missing, and OutputError as the disk does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._av = package_for(str(path), "av", "video")
        self._ends = ExitStack()
        self._stream: Any = None
        self._container: Any = None
        self._last_ns, self._step_ns, self._shown_ns = 0, FIRST_STEP_NS, 0

    def close(self, whole: bool = True) -> None:
        """Ends the file; whole: False removes it."""
        if self._stream is None:
            return
        if whole:
            try:
                self._mux(None)
            except BaseException:
                self._discard()
                raise
            self._ends.close()
        else:
            self._discard()
        self._stream = None

    def add(self, picture: RgbImage, stamp_ns: int) -> None:
        """Adds an (H, W, 3) uint8 picture, red first; stamp_ns: when it was taken."""
        even = _even(picture)
        if self._stream is None:
            self._open(even, stamp_ns)
        elif even.shape[:2] != (self._stream.height, self._stream.width):
            size = self._stream.width, self._stream.height
            even = np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.uint8)
        frame = self._av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.pts, frame.time_base = self._time(stamp_ns), TICKS
        self._mux(frame)

    def _open(self, picture: RgbImage, stamp_ns: int) -> None:
        file = self._ends.enter_context(replacing(self.path))
        self._container = self._av.open(file, "w", format="mp4")
        self._ends.callback(self._container.close)
        self._stream = self._container.add_stream("libx264", rate=30, options=dict(_QUALITY))
        self._stream.height, self._stream.width = picture.shape[:2]
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TICKS
        self._last_ns = stamp_ns - FIRST_STEP_NS
        self._shown_ns = -FIRST_STEP_NS

    def _time(self, stamp_ns: int) -> int:
        """The picture's time in the file, in ticks."""
        step = stamp_ns - self._last_ns
        if 0 < step <= LONGEST_STEP_NS:
            self._step_ns = step
        self._last_ns = stamp_ns
        self._shown_ns += self._step_ns
        return round(self._shown_ns * 1e-9 / TICKS)

    def _mux(self, frame: Any) -> None:
        with disk_errors(self.path):
            for packet in self._stream.encode(frame):
                packet.duration = round(self._step_ns * 1e-9 / TICKS)
                self._container.mux(packet)

    def _discard(self) -> None:
        # Whatever the muxer says of its unfinished file: an error is on its way already.
        with suppress(Exception), self._ends:
            raise OutputError(f"{self.path} was not finished.")


def _even(picture: RgbImage) -> RgbImage:
    rows, columns = picture.shape[0] % 2, picture.shape[1] % 2
    if not (rows or columns):
        return np.ascontiguousarray(picture)
    return np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="edge")
