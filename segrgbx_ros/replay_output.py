# SPDX-License-Identifier: Apache-2.0
"""What a replay leaves behind: the result bag, an overlay a frame, and a few four-up pictures."""

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding import encode
from segrgbx_core.errors import OutputError
from segrgbx_core.evaluation.pictures import four_up
from segrgbx_core.image_files import write_png
from segrgbx_core.labels import LabelSet
from segrgbx_core.output import claim_output, disk_errors
from segrgbx_ros.bag_writer import ResultWriter
from segrgbx_ros.images import Header
from segrgbx_ros.message_types import STATUS, message
from segrgbx_ros.pipeline import SegmentedFrame, mean_confidence, render

if TYPE_CHECKING:
    from rosbags.typesys.store import Msg

PANELS = 12
OWN_PICTURE = re.compile(r"\d{6}\.png")


@dataclass(frozen=True)
class FrameContext:
    """What goes with a segmented frame into the result.

    dropped: RGB images given up so far. truth: (H, W) uint8 or None.
    """

    header: Header
    log_time_ns: int
    dropped: int
    camera_info: "Msg | None"
    truth: npt.NDArray[np.uint8] | None


def claim_replay_output(out: Path, force: bool) -> None:
    """Makes the folder; with force, the files an earlier replay left there go.

    Raises OutputError as `claim_output` does, and where foreign files lie in `result/`.
    """
    claim_output(out, force)
    with disk_errors(out):
        for folder in (out / "overlays", out / "panels"):
            for path in folder.glob("*.png"):
                if OWN_PICTURE.fullmatch(path.name):
                    path.unlink()
        result = out / "result"
        for name in ("result.mcap", "metadata.yaml", "metadata.yaml.tmp"):
            (result / name).unlink(missing_ok=True)
        if result.is_dir():
            held = sorted(path.name for path in result.iterdir())
            if held:
                raise OutputError(
                    f"{result} holds files of another origin ({', '.join(held[:3])}); move them, "
                    "or choose another output folder."
                )
            result.rmdir()


class ReplayOutput:
    """Writes frame after frame; the bag and the folders appear with the first one."""

    def __init__(
        self,
        out: Path,
        label_set: LabelSet,
        model: str,
        with_camera_info: bool,
        expected_frames: int,
    ) -> None:
        self._out = out
        self._label_set = label_set
        self._model = model
        self._with_camera_info = with_camera_info
        self._panel_stride = max(1, -(-expected_frames // PANELS))
        self._bag: ResultWriter | None = None
        self._count = 0

    def __enter__(self) -> "ReplayOutput":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bag is not None:
            self._bag.__exit__(kind, value, trace)

    def write(self, done: SegmentedFrame, context: FrameContext) -> float:
        """Everything of one frame; returns the milliseconds of the stage "output".

        That stage is the pictures, their messages, the result bag and the overlay's PNG file; the
        four-up pictures are extra.
        """
        bag = self._opened()
        start = time.perf_counter()
        outputs = render(done)
        bag.write_outputs(context.log_time_ns, context.header, outputs, _restamped(context))
        name = f"{self._count:06d}.png"
        write_png(self._out / "overlays" / name, outputs.overlay)
        output_ms = (time.perf_counter() - start) * 1e3
        self._count += 1
        bag.write_status(context.log_time_ns, self._status(done, context, output_ms))
        if (self._count - 1) % self._panel_stride == 0:
            self._write_panel(name, done, context)
        return output_ms

    def _opened(self) -> ResultWriter:
        if self._bag is None:
            with disk_errors(self._out):
                for folder in ("overlays", "panels"):
                    (self._out / folder).mkdir(exist_ok=True)
            self._bag = ResultWriter(self._out / "result", self._label_set, self._with_camera_info)
        return self._bag

    def _write_panel(self, name: str, done: SegmentedFrame, context: FrameContext) -> None:
        frame = done.frame
        planes = None if frame.x is None else encode(frame.modality, frame.x).data
        picture = four_up(frame.rgb, planes, done.segmentation, context.truth)
        write_png(self._out / "panels" / name, picture)

    def _status(self, done: SegmentedFrame, context: FrameContext, output_ms: float) -> "Msg":
        frame, skew_ns = done.frame, done.frame.skew_ns
        return message(
            STATUS,
            header=cast("Msg", context.header),
            modality=done.segmentation.modality,
            x_used=frame.x is not None,
            x_reason="" if frame.x is not None else "modality none: RGB alone was asked for",
            skew_ms=float("nan") if skew_ns is None else skew_ns / 1e6,
            decode_ms=done.timings_ms.get("decode", float("nan")),
            encode_ms=done.timings_ms.get("encode", float("nan")),
            model_ms=done.timings_ms.get("model", float("nan")),
            output_ms=output_ms,
            frames_segmented=self._count,
            frames_dropped=context.dropped,
            mean_confidence=mean_confidence(done.segmentation),
            model=self._model,
        )


def _restamped(context: FrameContext) -> "Msg | None":
    """The calibration with the mask's header."""
    if context.camera_info is None:
        return None
    return cast("Msg", replace(cast(Any, context.camera_info), header=context.header))
