# SPDX-License-Identifier: Apache-2.0
"""Going on with an interrupted replay: its masks are taken again instead of computed.

The recording is read from its start, so that pairing and encodings are in the state in which the
interrupted replay left them; only the model does not run for what it has answered.
"""

import io
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from segrgbx_core.errors import BagError, InputError, guarded
from segrgbx_core.files.disk import disk_errors, input_bytes, write_whole
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import Planes, Reading, RgbImage
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.segmenter import Segmenter
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.images import labels_from_message, stamp_ns
from segrgbx_ros.messages.types import deserialized
from segrgbx_ros.pipeline import FrameSegmenter, SegmentedFrame
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.output import BEFORE, RESULT, RESULT_FILES, STATE_FILE
from segrgbx_ros.replay.summary import STAGES

_ONCE = "/segrgbx/label_info"
_MASK, _CONFIDENCE, _STATUS = (f"/segrgbx/{name}" for name in ("mask", "confidence", "status"))


@dataclass(frozen=True)
class FrameFacts:
    """What the summary needs of a frame beside its mask. confidence: NaN without a labelled
    pixel."""

    stamp_ns: int
    stage_ms: Mapping[str, float]
    confidence: float


@dataclass(frozen=True)
class ReplayState:
    """What an interrupted replay leaves beside its result.

    begun_with: everything that the masks depend on, in words. frames: of the masks, in order.
    """

    begun_with: Mapping[str, str]
    frames: Sequence[FrameFacts]

    def write(self, out: Path) -> None:
        """Raises OutputError where writing fails."""
        file = io.BytesIO()
        frames = self.frames
        np.savez_compressed(
            file,
            begun_with=np.frombuffer(json.dumps(dict(self.begun_with)).encode(), np.uint8),
            stamps=np.array([frame.stamp_ns for frame in frames], np.int64),
            stages=np.array([[f.stage_ms.get(s, np.nan) for s in STAGES] for f in frames]),
            confidences=np.array([frame.confidence for frame in frames]),
        )
        write_whole(out / STATE_FILE, file.getvalue())


def read_state(out: Path) -> ReplayState:
    """Raises InputError if there is none, or it is damaged."""
    path = out / STATE_FILE
    if not path.is_file():
        raise InputError(
            f"{out} holds no interrupted replay, so there is nothing to resume; leave out "
            "--resume."
        )
    data = input_bytes(path, "the state of a replay")
    refusal = f"{path} is damaged ({{}}); leave out --resume and add --force."
    with guarded(str(path), InputError, refusal):
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            begun = json.loads(arrays["begun_with"].tobytes())
            rows = zip(*(arrays[n].tolist() for n in _COLUMNS), strict=True)
        facts = [FrameFacts(int(stamp), _measured(row), float(c)) for stamp, row, c in rows]
        return ReplayState({str(name): str(value) for name, value in begun.items()}, facts)


_COLUMNS = ("stamps", "stages", "confidences")


def _measured(row: Sequence[float]) -> dict[str, float]:
    return {stage: ms for stage, ms in zip(STAGES, row, strict=True) if ms == ms}


def all_that_matters(
    options: ReplayOptions, bag: BagReader, topics: TopicsTaken, segmenter: Segmenter
) -> dict[str, str]:
    """Everything that the masks depend on, by name."""
    weights = segmenter.card.weights
    used = [name for name in vars(topics).values() if name is not None]
    counts = {topic.name: topic.count for topic in bag.topics if topic.name in used}
    cameras = {
        path.name: sha256(path.read_bytes()).hexdigest() for path in options.cameras.files()
    }
    return {
        "topics": str(topics),
        "a recording of": f"{bag.duration_s:.3f} s, {counts}",
        "modality": options.modality,
        "model": f"{segmenter.card.name} {'' if weights is None else weights.sha256}".rstrip(),
        "label set": segmenter.label_set.name,
        "device": f"{segmenter.device} in {segmenter.precision}",
        "backend": options.backend,
        "pairing": str(options.sync),
        "ground truth": str(options.truth),
        "sensor": str(options.sensor),
        "RGB images": str(options.rgb),
        "stamps": options.stamps,
        "calibrations": str(cameras),
        "max_frames": str(options.max_frames),
        "images in the result bag": str(options.files.images),
    }


def need_same(
    out: Path, before: Mapping[str, str], now: Mapping[str, str], what: str = "replay"
) -> None:
    """Raises InputError that names what differs from the interrupted replay, or set of them."""
    for name, value in now.items():
        if before.get(name) != value:
            raise InputError(
                f"The {what} in {out} was begun with {name} {before.get(name)}, which is {value} "
                "now; resume with the same, or leave out --resume and add --force."
            )


@dataclass(frozen=True)
class RecordedFrame:
    """A mask of the interrupted replay. messages: all that it wrote for the frame, as recorded."""

    stamp_ns: int
    segmentation: Segmentation
    messages: tuple[BagMessage, ...]


class EarlierResult:
    """The result of the interrupted replay, aside until the new one holds as much.

    Raises BagError where it cannot be read.
    """

    def __init__(self, out: Path) -> None:
        self._result, self._aside = out / RESULT, out / BEFORE
        with disk_errors(out):
            if self._aside.is_dir():
                _remove(self._result)
            else:
                self._result.replace(self._aside)

    def frames(self, label_set: LabelSet) -> Iterator[RecordedFrame]:
        """The frames in the order of their masks; label_info is with the first one's messages."""
        with BagReader(self._aside) as bag:
            topics = [topic.name for topic in bag.topics if topic.name != _ONCE]
            once = bag.first(_ONCE)
            held: dict[str, deque[tuple[int, BagMessage]]] = {name: deque() for name in topics}
            begin = () if once is None else (once,)
            for place, message in enumerate(bag.messages(topics)):
                held[message.topic].append((place, message))
                if all(held.values()):
                    inside = sorted(waiting.popleft() for waiting in held.values())
                    whole = {message.topic: message for _, message in inside}
                    yield _frame(whole, begin, label_set)
                    begin = ()

    def give_back(self) -> None:
        """Puts it in its place again, instead of a new one that holds less."""
        with disk_errors(self._result):
            _remove(self._result)
            self._aside.replace(self._result)

    def drop(self) -> None:
        """Removes it."""
        with disk_errors(self._aside):
            _remove(self._aside)


def _frame(
    messages: Mapping[str, BagMessage], begin: tuple[BagMessage, ...], label_set: LabelSet
) -> RecordedFrame:
    read = {
        name: deserialized(messages[name].data, messages[name].msgtype)
        for name in (_MASK, _CONFIDENCE, _STATUS)
    }
    confidence = labels_from_message(read[_CONFIDENCE], _CONFIDENCE) / np.float32(255)
    status = read[_STATUS]
    used = status.modality if status.x_used else NO_X
    answer = Segmentation(labels_from_message(read[_MASK], _MASK), confidence, label_set, used)
    written = (*begin, *messages.values())
    return RecordedFrame(stamp_ns(read[_MASK].header), answer, written)


def _remove(folder: Path) -> None:
    for name in RESULT_FILES:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()


class Recall(Protocol):
    """A segmenter whose masks were made before; see RecallingSegmenter for its attributes.

    Where it holds only some of them, `in` tells which by their stamps.
    """

    stamp_ns: int
    taken: RecordedFrame | None
    contradicted: bool

    @property
    def more(self) -> bool:
        """Whether there are masks that must be taken before the replay may stop."""
        ...

    def __contains__(self, stamp_ns: int) -> bool: ...

    def __call__(
        self, rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        """See FrameSegmenter."""
        ...

    def told(self, done: SegmentedFrame) -> SegmentedFrame:
        """The frame just answered, with what is known of it beside its mask."""
        ...


class RecallingSegmenter:
    """Answers with the interrupted replay's masks, in order, and then with the segmenter.

    stamp_ns: of the frame to come. taken: the recorded frame of the last answer, None if it was
    computed. contradicted: whether a frame was segmented that the earlier replay had refused.
    """

    def __init__(self, segmenter: FrameSegmenter, frames: Iterator[RecordedFrame]) -> None:
        self._segmenter, self._frames = segmenter, frames
        self._next = next(frames, None)
        self.stamp_ns = 0
        self.taken: RecordedFrame | None = None
        self.contradicted = False

    @property
    def more(self) -> bool:
        """Whether there are masks that were not taken yet."""
        return self._next is not None

    def __contains__(self, _stamp_ns: int) -> bool:
        """Every frame can be answered."""
        return True

    def told(self, done: SegmentedFrame) -> SegmentedFrame:
        """See Recall."""
        return done

    def __call__(
        self, rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        """See FrameSegmenter."""
        following = self._next
        self.taken = None
        if following is not None and following.stamp_ns == self.stamp_ns:
            if following.segmentation.labels.shape != rgb.shape[:2]:
                self.contradicted = True
            self.taken, self._next = following, next(self._frames, None)
            return following.segmentation
        answer = self._segmenter(rgb, x, modality)
        self.contradicted |= following is not None
        return answer


def another_recording(out: Path) -> BagError:
    """The error of a recording whose frames are not those of the interrupted replay."""
    return BagError(
        f"The masks in {out} are not of these frames, so the replay cannot go on; leave out "
        "--resume and add --force."
    )
