# SPDX-License-Identifier: Apache-2.0
"""From a pair of messages to labels and pictures: the same steps live and in a replay.

pair of messages -> decode -> frame -> encode and align -> segmenter -> outputs. An unusable frame
is counted under a reason, its sentence is kept, and the next frame is tried.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from segrgbx_core.doubts import DoubtLog
from segrgbx_core.encoding import EncodingSettings
from segrgbx_core.encoding.stream import Encoder
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import Planes, Reading, RgbImage
from segrgbx_core.segmentation import Segmentation, class_fractions, mean_confidence
from segrgbx_core.wording import spoken
from segrgbx_ros.messages.images import AnyImage, Convert, convert_offline, rgb_from_message
from segrgbx_ros.messages.readings import XDecoder, XInput
from segrgbx_ros.messages.rgb_words import RgbSettings, RgbWords
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.pairing.matching import NO_X_ASKED, MissingX, SyncSettings
from segrgbx_ros.pairing.nearest import Pair

MessagePair: TypeAlias = Pair[AnyImage, XInput]
T = TypeVar("T")

JUMP_NS = 1_000_000_000
REFUSED_BY_MODEL = "refused_by_segmenter"


class FrameSegmenter(Protocol):
    """The part of `segrgbx_core.Segmenter` that the pipeline needs."""

    def __call__(
        self, rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        """Labels and confidence of RGB's size. Raises SegRgbxError for unusable input."""
        ...


class XEncoder(Protocol):
    """The part of `segrgbx_core.Encoder` that the pipeline needs."""

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        """The reading's planes. Raises SegRgbxError for an unusable reading."""
        ...

    def reset(self) -> None:
        """Forgets earlier frames."""
        ...


@dataclass(frozen=True)
class Frame:
    """An RGB image and its X reading.

    rgb: (H, W, 3) uint8, red first. x: the raw reading of the second sensor in the sensor's own
    unit (see segrgbx_core.readings), or None without X. Stamps are in nanoseconds.
    """

    rgb: RgbImage
    x: Reading | None
    modality: str
    rgb_stamp_ns: int = 0
    x_stamp_ns: int | None = None
    frame_id: str = ""

    @property
    def skew_ns(self) -> int | None:
        """X stamp minus RGB stamp in nanoseconds; None without X."""
        return None if self.x_stamp_ns is None else self.x_stamp_ns - self.rgb_stamp_ns


@dataclass(frozen=True)
class PreparedFrame:
    """A frame before the model. planes, held: as of SegmentedFrame; timings_ms: so far."""

    frame: Frame
    planes: Planes | None
    held: bool
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class SegmentedFrame:
    """planes: the model's input from X, None for RGB alone.

    timings_ms: milliseconds by stage: "decode", "encode", "model". x_held: the planes are those of
    an earlier image.
    """

    frame: Frame
    segmentation: Segmentation
    timings_ms: dict[str, float]
    planes: Planes | None = None
    x_held: bool = False

    @property
    def x_used(self) -> bool:
        """Whether the model used X; it does not if X has no valid pixel."""
        return self.segmentation.modality != NO_X


@dataclass(frozen=True)
class FramePictures:
    """mask: (H, W) uint8 ids; confidence: (H, W) uint8, 255 is 1; overlay: (H, W, 3) uint8."""

    mask: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    overlay: RgbImage


@dataclass
class Refusals:
    """counts: refused frames by reason. first: the first sentence for each reason."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, sentence: str) -> None:
        """Counts one refused frame."""
        self.counts[reason] += 1
        self.first.setdefault(reason, sentence)


@dataclass(frozen=True)
class EmptyWindows:
    """What to do with a window of events that leaves no valid pixel, as with an image without X.

    missing_x, hold_limit_s: as in SyncSettings.
    """

    missing_x: MissingX
    hold_limit_s: float

    @classmethod
    def of(cls, modality: str, sync: SyncSettings) -> "EmptyWindows | None":
        """None for sensors without windows: an image without a valid pixel is RGB alone."""
        return cls(sync.missing_x, sync.hold_limit_s) if is_windowed(modality) else None


class Pipeline:
    """Decodes, encodes and segments one pair after the other.

    `process` is `prepare` and then `segment`; two threads may do one each, in the order of pairs.
    encoder, decode_x: encoding and alignment of X, and the decoder of its messages; None means
    those of the modality with default settings. convert: how RGB images are read, offline or in
    the live node. rgb: what the user says of them. settings: of X's encoding. look_every: the
    first of how many frames is looked at for `doubts`. empty: for events; may be replaced. A step
    back in time of more than a second resets the encoder.
    """

    def __init__(
        self,
        segmenter: FrameSegmenter,
        modality: str,
        rgb_topic: str,
        x_topic: str | None,
        encoder: XEncoder | None = None,
        decode_x: XDecoder | None = None,
        convert: Convert = convert_offline,
        rgb: RgbSettings | None = None,
        settings: EncodingSettings | None = None,
        look_every: int = 1,
        empty: EmptyWindows | None = None,
    ) -> None:
        self._segmenter, self.empty = segmenter, empty
        self._last_valid: tuple[int, Planes] | None = None
        self._modality = modality
        self._rgb_topic = rgb_topic
        self._convert = convert
        if modality != NO_X:
            encoder = encoder or Encoder(modality)
            decode_x = decode_x or XDecoder(modality, x_topic or "", convert)
        self._encoder, self._decode_x = encoder, decode_x
        self._last_ns = 0
        self._words = RgbWords(rgb)
        self._x_stamp_ns: int | None = None
        self.doubts = DoubtLog(modality, settings, look_every)
        self.refusals = Refusals()
        self.left_out: Counter[str] = Counter()
        self._refused_as = ""
        self.segmented = 0

    def encode_through(self, change: Callable[[XEncoder], XEncoder]) -> None:
        """Puts something before the encoder of X from here on, such as a fault of the sensor."""
        if self._encoder is not None:
            self._encoder = change(self._encoder)

    @property
    def dropped(self) -> Counter[str]:
        """Frames without a mask by reason: refused, or left out as `empty` asks."""
        return self.refusals.counts + self.left_out

    def process(self, pair: MessagePair) -> SegmentedFrame | None:
        """The segmented frame; None if it was refused, which `refusals` then counts."""
        prepared = self.prepare(pair)
        return None if isinstance(prepared, str) else self.segment(prepared)

    def prepare(self, pair: MessagePair) -> PreparedFrame | str:
        """The frame and its planes; the reason under which it is counted if it was refused."""
        start = time.perf_counter()
        frame = self._decoded(pair)
        if frame is None:
            return self._refused_as
        self._look(frame)
        decoded = time.perf_counter()
        planes = self._try(lambda: self._encoded(frame), "refused_by_encoding")
        planes, held = self._valid(frame, planes)
        if planes is None and frame.x is not None:
            return self._refused_as
        encoded = time.perf_counter()
        timings = {"decode": (decoded - start) * 1e3, "encode": (encoded - decoded) * 1e3}
        return PreparedFrame(frame, planes, held, timings)

    def segment(self, prepared: PreparedFrame) -> SegmentedFrame | None:
        """The segmented frame; None if the model refused it, which `refusals` then counts."""
        frame, planes = prepared.frame, prepared.planes
        modality = None if planes is None else frame.modality
        try:
            result = self._segmenter(frame.rgb, planes, modality)
        except SegRgbxError as err:
            self.refusals.add(REFUSED_BY_MODEL, str(err))
            return None
        self.segmented += 1
        timings = {**prepared.timings_ms, **result.timings_ms}
        timings["encode"] = prepared.timings_ms["encode"] + result.timings_ms.get("encode", 0.0)
        return SegmentedFrame(frame, result, timings, planes, prepared.held)

    def doubted(self) -> list[str]:
        """A sentence on each doubt about the frames so far."""
        return [*self.doubts.sentences(), *self._words.notes(self._rgb_topic)]

    def doubted_now(self) -> list[str]:
        """A sentence on each doubt about the frame that was looked at last."""
        now = (doubt.words for doubt in self.doubts.latest)
        return [*now, *self._words.notes(self._rgb_topic)]

    def _look(self, frame: Frame) -> None:
        new_x = frame.x_stamp_ns != self._x_stamp_ns
        self.doubts.look(frame.rgb, frame.x, new_x)
        self._x_stamp_ns = frame.x_stamp_ns

    def reset(self) -> None:
        """Forgets earlier frames, before the first one of another recording."""
        self._last_valid = None
        if self._encoder is not None:
            self._encoder.reset()

    def _valid(self, frame: Frame, planes: Planes | None) -> tuple[Planes | None, bool]:
        """The planes to use, None to refuse the frame, and whether they are an earlier image's."""
        empty, stamp = self.empty, frame.rgb_stamp_ns
        if planes is None or empty is None:
            return planes, False
        if planes.valid.any():
            self._last_valid = (stamp, planes)
            return planes, False
        if empty.missing_x == "rgb_only":
            return planes, False
        if empty.missing_x == "hold_last" and self._last_valid is not None:
            before, last = self._last_valid
            if 0 <= stamp - before <= empty.hold_limit_s * 1e9:
                return last, True
        self._refused_as = "x_without_valid_pixel"
        self.left_out[self._refused_as] += 1
        return None, False

    def _try(self, step: Callable[[], T], reason: str) -> T | None:
        try:
            return step()
        except SegRgbxError as err:
            self.refusals.add(reason, str(err))
            self._refused_as = reason
            return None

    def _decoded(self, pair: MessagePair) -> Frame | None:
        rgb = self._try(
            lambda: rgb_from_message(pair.rgb, self._rgb_topic, self._convert, self._words),
            "undecodable_rgb",
        )
        if rgb is None:
            return None
        x: Reading | None = None
        message, decode = pair.x, self._decode_x
        if message is not None and decode is not None:
            size = rgb.shape[0], rgb.shape[1]
            x = self._try(lambda: decode(message, size), "undecodable_x")
            if x is None:
                return None
        frame_id = pair.rgb.header.frame_id
        return Frame(rgb, x, self._modality, pair.rgb_stamp_ns, pair.x_stamp_ns, frame_id)

    def _encoded(self, frame: Frame) -> Planes | None:
        if frame.x is None or self._encoder is None:
            return None
        if frame.rgb_stamp_ns < self._last_ns - JUMP_NS:
            self._encoder.reset()
        self._last_ns = frame.rgb_stamp_ns
        return self._encoder(frame.x, (frame.rgb.shape[0], frame.rgb.shape[1]))


def pictures_of(done: SegmentedFrame, overlay_alpha: float = 0.5) -> FramePictures:
    """The pictures to publish; their time is the stage "output"."""
    segmentation = done.segmentation
    overlay = segmentation.overlay(done.frame.rgb, overlay_alpha)
    return FramePictures(segmentation.labels, segmentation.confidence_image(), overlay)


@dataclass(frozen=True)
class FrameStatus:
    """The message's fields without the header, in its units; see msg/SegmentationStatus.msg."""

    modality: str
    x_used: bool
    x_held: bool
    x_reason: str
    skew_ms: float
    age_ms: float
    decode_ms: float
    encode_ms: float
    model_ms: float
    output_ms: float
    frames_segmented: int
    frames_dropped: int
    drop_reasons: list[str]
    drop_counts: npt.NDArray[np.uint64]
    mean_confidence: float
    class_fractions: npt.NDArray[np.float32]
    unlabelled_fraction: float
    model: str


def frame_status(
    done: SegmentedFrame,
    *,
    model: str,
    frames_segmented: int,
    dropped: Mapping[str, int],
    output_ms: float,
    age_ms: float = float("nan"),
    x_held: bool = False,
    x_reason: str = "",
) -> FrameStatus:
    """The status of a segmented frame; dropped: RGB images dropped so far, by reason.

    x_reason: why there was no X, if the caller knows it.
    """
    segmentation, skew_ns = done.segmentation, done.frame.skew_ns
    x_used = segmentation.modality != NO_X
    x_held = x_held or done.x_held
    counted = {reason: n for reason, n in sorted(dropped.items()) if n}
    shares, unlabelled = class_fractions(segmentation)
    return FrameStatus(
        modality=done.frame.modality,
        x_used=x_used,
        x_held=x_used and x_held,
        x_reason="" if x_used else x_reason or _why_unused(done),
        skew_ms=float("nan") if skew_ns is None else skew_ns / 1e6,
        age_ms=age_ms,
        decode_ms=done.timings_ms.get("decode", float("nan")),
        encode_ms=done.timings_ms.get("encode", float("nan")),
        model_ms=done.timings_ms.get("model", float("nan")),
        output_ms=output_ms,
        frames_segmented=frames_segmented,
        frames_dropped=sum(counted.values()),
        drop_reasons=list(counted),
        drop_counts=np.array(list(counted.values()), np.uint64),
        mean_confidence=mean_confidence(segmentation),
        class_fractions=shares,
        unlabelled_fraction=unlabelled,
        model=model,
    )


def _why_unused(done: SegmentedFrame) -> str:
    if done.frame.x is None:
        return NO_X_ASKED
    return f"the {spoken(done.frame.modality)} reading has no valid pixel"
