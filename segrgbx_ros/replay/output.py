# SPDX-License-Identifier: Apache-2.0
"""The output of a replay: result bag, one overlay per frame, and further outputs."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import OutputError
from segrgbx_core.files.disk import (
    Reserve,
    claim_output,
    disk_errors,
    make_folder,
    need_no_inputs,
    need_no_links,
)
from segrgbx_core.files.images import write_png
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.pictures.frames import four_up
from segrgbx_core.readings import RgbImage
from segrgbx_core.report.layers import LAYER_FOLDER
from segrgbx_core.report.run_page import FILES_FOLDER, page_files
from segrgbx_core.runs.folder import MASK_FOLDER, SUMMARY_FILE
from segrgbx_core.runs.writer import RUN_FILES
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.writer import ResultWriter
from segrgbx_ros.messages.cameras import CameraInfoMessage
from segrgbx_ros.messages.images import AnyImage
from segrgbx_ros.messages.types import STATUS, Header, message
from segrgbx_ros.pipeline import SegmentedFrame, frame_status, pictures_of
from segrgbx_ros.replay.tools.pictures import PICTURES

PAGE_BYTES, FRAMES_RESERVED = 1 << 22, 16
OWN_PICTURE = re.compile(r"\d{6}\.png")
RESULT, OVERLAYS = "result", "overlays"
FOLDERS = (RESULT, OVERLAYS, MASK_FOLDER, LAYER_FOLDER, FILES_FOLDER)
RESULT_FILES = ("result.mcap", "metadata.yaml", "metadata.yaml.tmp")
STATE_FILE = "resume.npz"
BEFORE = ".result-before"
LAYOUT_FILE, RRD_FILE, VIDEO_FILE = FURTHER = ("foxglove_layout.json", "replay.rrd", "replay.mp4")


@dataclass(frozen=True)
class FrameContext:
    """What the result holds of a frame besides its segmentation.

    dropped: RGB images dropped so far, by reason. truth: (H, W) uint8 or None. x_held, x_reason:
    of the frame's `Match`. rgb_message: as recorded, None for pixels alone.
    """

    header: Header
    log_time_ns: int
    dropped: Mapping[str, int]
    camera_info: CameraInfoMessage | None
    truth: npt.NDArray[np.uint8] | None
    x_held: bool = False
    x_reason: str = ""
    rgb_message: AnyImage | None = None


class FrameOutput(Protocol):
    """A further output of a replay, which takes every segmented frame in order.

    After a resumption it takes the frames of the interrupted replay again, with their masks.
    """

    def write(self, index: int, done: SegmentedFrame, context: FrameContext) -> None:
        """Adds a frame; index: 0 for the first mask. Raises OutputError as the disk does."""
        ...

    def close(self, whole: bool) -> None:
        """Ends it. whole: False after an error; what cannot be read then, is removed."""
        ...


def claim_replay_output(out: Path, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Creates the folder; with force, removes the files of an earlier replay.

    inputs: the recording, as a folder or file, and further files that are read. Everything is
    checked before anything is removed. Raises OutputError as `claim_output` does, if a file of
    an input would be removed, one of our folders is a link, or `result/` has files of other
    origin.
    """
    claim_output(out, force)
    need_no_links(out / name for name in (*FOLDERS, BEFORE))
    result, own = out / RESULT, _own_files(out)
    need_no_inputs(own, inputs)
    held = sorted(p.name for p in result.iterdir() if p not in own) if result.is_dir() else []
    if held:
        raise OutputError(
            f"{result} holds files of another origin ({', '.join(held[:3])}); move them, or "
            "choose another output folder."
        )
    with disk_errors(out):
        for path in own:
            path.unlink(missing_ok=True)
        for folder in (result, out / BEFORE):
            if folder.is_dir():
                folder.rmdir()


def reopen_replay_output(out: Path) -> None:
    """Removes what an interrupted replay's resumption writes again, apart from its result.

    Raises OutputError where one of our folders is a link, or the disk refuses.
    """
    need_no_links(out / name for name in FOLDERS)
    with disk_errors(out):
        for path in (*page_files(out), *(out / name for name in (SUMMARY_FILE, *FURTHER))):
            path.unlink(missing_ok=True)


def _own_files(out: Path) -> list[Path]:
    """The files of an earlier replay, which the next one removes."""
    pictures = (path for name in (OVERLAYS, MASK_FOLDER) for path in (out / name).glob("*.png"))
    return [
        *(out / folder / name for folder in (RESULT, BEFORE) for name in RESULT_FILES),
        *(path for path in pictures if OWN_PICTURE.fullmatch(path.name)),
        *(out / name for name in (SUMMARY_FILE, STATE_FILE, *RUN_FILES, *FURTHER)),
        *page_files(out),
    ]


class ReplayOutput:
    """Writes frame after frame; the bag and the folders are created with the first one."""

    def __init__(
        self,
        out: Path,
        label_set: LabelSet,
        model: str,
        with_camera_info: bool,
        images: Sequence[str] = (),
        further: Sequence[FrameOutput] = (),
    ) -> None:
        self._out = out
        self._label_set = label_set
        self._model = model
        self._with_camera_info = with_camera_info
        self._bag: ResultWriter | None = None
        self._images, self._further = images, further
        self._reserve, self._offer = Reserve(out), ExitStack()
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether the disk had no more room, and what was reserved of it is in use."""
        return self._reserve.spent

    def __enter__(self) -> "ReplayOutput":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._offer.close()
        with ExitStack() as ends:
            if self._bag is not None:
                ends.callback(self._bag.__exit__, kind, value, trace)
            for output in self._further:
                ends.callback(output.close, kind is None)

    def write(self, done: SegmentedFrame, context: FrameContext) -> float:
        """Writes one frame; returns the milliseconds of the stage "output".

        That stage is the pictures, their messages, the result bag and the overlay's PNG file,
        without further outputs.
        """
        bag = self._opened(done)
        start = time.perf_counter()
        outputs = pictures_of(done)
        images = {topic: PICTURES[topic](done, context) for topic in self._images}
        camera_info = _restamped(context)
        bag.write_outputs(context.log_time_ns, context.header, outputs, camera_info, images)
        name = f"{self._count:06d}.png"
        write_png(self._out / OVERLAYS / name, outputs.overlay)
        output_ms = (time.perf_counter() - start) * 1e3
        self._count += 1
        bag.write_status(context.log_time_ns, self._status(done, context, output_ms))
        self._pass_on(done, context)
        return output_ms

    def write_again(
        self, done: SegmentedFrame, context: FrameContext, messages: Iterable[BagMessage]
    ) -> None:
        """Writes a frame of an interrupted replay, whose picture is there, with its messages."""
        bag = self._opened(done)
        name = f"{self._count:06d}.png"
        bag.write_again(messages)
        if not (self._out / OVERLAYS / name).is_file():
            write_png(self._out / OVERLAYS / name, pictures_of(done).overlay)
        self._count += 1
        self._pass_on(done, context)

    def _pass_on(self, done: SegmentedFrame, context: FrameContext) -> None:
        for output in self._further:
            output.write(self._count - 1, done, context)

    def _opened(self, done: SegmentedFrame) -> ResultWriter:
        if self._bag is None:
            self._reserve.take(PAGE_BYTES + FRAMES_RESERVED * done.frame.rgb.size)
            self._offer.enter_context(self._reserve.offered())
            make_folder(self._out / OVERLAYS)
            self._bag = ResultWriter(
                self._out / RESULT, self._label_set, self._with_camera_info, self._images
            )
        return self._bag

    def _status(self, done: SegmentedFrame, context: FrameContext, output_ms: float) -> object:
        status = frame_status(
            done,
            model=self._model,
            frames_segmented=self._count,
            dropped=context.dropped,
            output_ms=output_ms,
            x_held=context.x_held,
            x_reason=context.x_reason,
        )
        return message(STATUS, header=context.header, **vars(status))


def four_up_of(done: SegmentedFrame, context: FrameContext) -> RgbImage:
    """The four-up picture of a frame."""
    planes = done.planes if done.x_used else None
    return four_up(
        done.frame.rgb,
        None if planes is None else planes.data,
        done.segmentation,
        context.truth,
        None if planes is None else planes.valid,
    )


def _restamped(context: FrameContext) -> CameraInfoMessage | None:
    """The calibration with the mask's header."""
    if context.camera_info is None:
        return None
    info: CameraInfoMessage = replace(cast(Any, context.camera_info), header=context.header)
    return info
