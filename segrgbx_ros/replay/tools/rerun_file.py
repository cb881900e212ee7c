# SPDX-License-Identifier: Apache-2.0
"""A replay as a Rerun recording: pictures, masks with their classes, and figures over time."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from segrgbx_core.errors import OutputError
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.files.disk import need_room, replacing_by_name
from segrgbx_core.files.images import png_bytes
from segrgbx_core.files.resources import package_for
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.modality import NO_X
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.segmentation import class_fractions, mean_confidence
from segrgbx_core.wording import spoken
from segrgbx_ros.pipeline import SegmentedFrame
from segrgbx_ros.replay.output import FrameContext
from segrgbx_ros.replay.tools.pictures import rgb_image, x_image

FLUSH_S = 60.0
# Frames written together: the file's index, which stays in memory, has a row for each entity of a
# group instead of each frame's.
GROUP = 8
# What a group can take at most: three pictures of labels or confidence, two JPEGs, the figures.
BYTES_PER_PIXEL, ROOM = 5, 4_000_000
_PLOTS = (("ms", "times in ms"), ("scores", "scores"), ("share", "share of the mask"))
_CURVES = {
    "ms": ("decode", "encode", "model", "skew"),
    "scores": ("mIoU", "pixel_accuracy", "mean_confidence"),
}


class RerunFile:
    """See FrameOutput. Timelines: `stamp`, of the RGB image, and `frame`, the number of the mask.

    Entities: rgb, x, mask, truth, confidence; ms/..., scores/..., iou/CLASS, share/CLASS. Raises
    InputError where rerun-sdk is missing, OutputError as the disk does.
    """

    def __init__(self, path: Path, label_set: LabelSet, name: str) -> None:
        self.path, self._label_set, self._name = path, label_set, name
        self._rr = package_for(str(path), "rerun", "rerun")
        self._ends = ExitStack()
        self._stream: Any = None

    def write(self, index: int, done: SegmentedFrame, context: FrameContext) -> None:
        """See FrameOutput."""
        if self._stream is None:
            self._open(done, context)
        if index % GROUP == 0:
            self._flush()
            rows, columns = done.frame.rgb.shape[:2]
            size = ROOM + GROUP * BYTES_PER_PIXEL * rows * columns
            need_room(self.path.parent, size, f"the next frames of {self.path.name}")
        self._stream.set_time("frame", sequence=index)
        stamp = np.datetime64(done.frame.rgb_stamp_ns, "ns")
        self._stream.set_time("stamp", timestamp=stamp)
        self._log_pictures(done, context)
        for place, value in self._figures(done, context):
            self._stream.log(place, self._rr.Scalars(value))

    def close(self, whole: bool) -> None:
        """See FrameOutput."""
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        stream.disconnect()
        if whole:
            self._ends.close()
            return
        with suppress(OutputError), self._ends:
            raise OutputError(f"{self.path} was not finished.")

    def _open(self, done: SegmentedFrame, context: FrameContext) -> None:
        rr = self._rr
        part = self._ends.enter_context(replacing_by_name(self.path))
        # A group is written when it is flushed: by then, not by a time or its size.
        together = rr.ChunkBatcherConfig(flush_tick=3600, flush_num_bytes=2**30)
        stream = rr.RecordingStream("segrgbx", batcher_config=together)
        stream.save(part)
        stream.send_recording_name(self._name)
        known = [(i, spoken(c.name), c.color) for i, c in enumerate(self._label_set.classes)]
        stream.log("/", rr.AnnotationContext(known), static=True)
        for place, name, color in self._curves():
            line = rr.SeriesLines(colors=[color], names=[name])
            stream.log(place, line, static=True)
        stream.send_blueprint(self._blueprint(done, context))
        self._stream = stream

    def _curves(self) -> Iterator[tuple[list[str], str, tuple[int, int, int]]]:
        """Entity, name and colour of each curve; those of a class have its colour."""
        for kind, names in _CURVES.items():
            for name, color in zip(names, COLORS, strict=False):
                yield [kind, name], spoken(name), color
        for kind in ("iou", "share"):
            for c in self._label_set.classes:
                yield [kind, c.name], spoken(c.name), c.color

    def _flush(self) -> None:
        """Lets the file have all frames so far, so that they do not gather in memory."""
        try:
            self._stream.flush(timeout_sec=FLUSH_S)
        except (RuntimeError, ValueError) as err:
            raise OutputError(
                f"Cannot write {self.path} (Rerun says: {err}); choose another place."
            ) from err

    def _log_pictures(self, done: SegmentedFrame, context: FrameContext) -> None:
        rr, log, result = self._rr, self._stream.log, done.segmentation
        jpegs = {"rgb": rgb_image(done, context)}
        if done.frame.x is not None or done.planes is not None:
            jpegs["x"] = x_image(done, context)
        else:
            log("x", rr.Clear(recursive=False))
        for place, picture in jpegs.items():
            data = picture.data.tobytes()
            log(place, rr.EncodedImage(contents=data, media_type="image/jpeg"))
        log("mask", rr.SegmentationImage(result.labels))
        png = png_bytes(result.confidence_image())
        log("confidence", rr.EncodedImage(contents=png, media_type="image/png"))
        if context.truth is not None:
            log("truth", rr.SegmentationImage(context.truth))
        else:
            log("truth", rr.Clear(recursive=False))

    def _figures(
        self, done: SegmentedFrame, context: FrameContext
    ) -> Iterator[tuple[list[str], float]]:
        """Entity and value; what was not measured is left out."""
        for stage, ms in done.timings_ms.items():
            yield ["ms", stage], ms
        if done.frame.skew_ns is not None:
            yield ["ms", "skew"], done.frame.skew_ns / 1e6
        confidence = mean_confidence(done.segmentation)
        if np.isfinite(confidence):
            yield ["scores", "mean_confidence"], confidence
        shares, _ = class_fractions(done.segmentation)
        for name, share in zip(self._label_set.names, shares, strict=True):
            yield ["share", name], float(share)
        if context.truth is not None:
            yield from self._scores(done, context.truth)

    def _scores(self, done: SegmentedFrame, truth: Any) -> Iterator[tuple[list[str], float]]:
        meter = ConfusionMeter(self._label_set)
        meter.update(done.segmentation.labels, truth)
        scores = meter.scores()
        found = {"mIoU": scores.miou, "pixel_accuracy": scores.pixel_accuracy}
        yield from ((["scores", n], v) for n, v in found.items() if v is not None)
        for name, iou in scores.per_class_iou.items():
            if iou is not None:
                yield ["iou", name], iou

    def _blueprint(self, done: SegmentedFrame, context: FrameContext) -> Any:
        """What the viewer shows at first: the mask over RGB, the pictures, the curves."""
        views = import_module("rerun.blueprint")
        small = [views.Spatial2DView(origin="/rgb", name="RGB")]
        if done.frame.modality != NO_X:
            small.append(views.Spatial2DView(origin="/x", name=spoken(done.frame.modality)))
        small.append(views.Spatial2DView(origin="/confidence", name="confidence"))
        plots = [views.TimeSeriesView(origin=f"/{place}", name=name) for place, name in _PLOTS]
        if context.truth is not None:
            plots.insert(2, views.TimeSeriesView(origin="/iou", name="IoU by class"))
            truth = ["/rgb", "/truth"]
            small.append(views.Spatial2DView(origin="/", contents=truth, name="ground truth"))
        mask = views.Spatial2DView(origin="/", contents=["/rgb", "/mask"], name="mask over RGB")
        return views.Blueprint(
            views.Vertical(
                views.Horizontal(mask, views.Grid(*small)),
                views.Horizontal(*plots),
                row_shares=[2, 1],
            ),
            collapse_panels=True,
        )
