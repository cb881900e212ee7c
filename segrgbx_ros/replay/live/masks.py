# SPDX-License-Identifier: Apache-2.0
"""The masks that a node published, as a recording of its topics holds them, by RGB's stamp."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from segrgbx_core.errors import BagError, InputError
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import Planes, Reading, RgbImage
from segrgbx_core.runs.figures import Percentiles
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.wording import counted, milliseconds, reason_in_words
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.events.messages import raw_stamp_ns
from segrgbx_ros.messages.images import labels_from_message
from segrgbx_ros.messages.types import LABEL_INFO, STATUS, deserialized
from segrgbx_ros.pipeline import SegmentedFrame
from segrgbx_ros.replay.resume import FrameFacts, RecordedFrame
from segrgbx_ros.replay.summary import STAGES

NO_LIVE_MASK = "no_live_mask"
AHEAD = 64
_TOPICS = ("mask", "confidence", "status")
_RECORD = "/segrgbx/mask /segrgbx/confidence /segrgbx/status /segrgbx/label_info"


@dataclass(frozen=True)
class PublishedFrame(SegmentedFrame):
    """A frame with the node's mask. facts: times and confidence by the node; x_reason: why X took
    no part, in its words."""

    facts: FrameFacts = field(kw_only=True)
    x_reason: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a status says of its mask. x_ns: X's stamp minus RGB's, None without X."""

    used: str
    x_held: bool
    x_reason: str
    x_ns: int | None
    stage_ms: Mapping[str, float]
    confidence: float


class PublishedMasks:
    """Answers as a segmenter with the node's masks; `told` adds what the node said of each.

    The recording is read along with the one that is scored, so that few masks are held: AHEAD of
    those that came in another order. stamp_ns: of the frame to come. Raises InputError for a
    recording without the outputs of one node, and for one of another model or modality.
    """

    contradicted = more = False

    def __init__(self, path: Path, card: ModelCard, label_set: LabelSet, modality: str) -> None:
        self._path, self._model, self._modality = path, card.name, modality
        self._label_set = label_set
        self.stamp_ns = 0
        self.taken: RecordedFrame | None = None
        self._ages_ms: list[float] = []
        self._dropped: Mapping[str, int] = {}
        with BagReader(path) as bag:
            node = _node_in(bag)
            self._mask, self._confidence, self._status = (f"{node}/{name}" for name in _TOPICS)
            self._check_labels(bag, f"{node}/label_info")
            self._said = self._whole(bag)
            self._loss = bag.loss
        self._used = 0
        self._held: OrderedDict[int, Mapping[str, BagMessage]] = OrderedDict()
        self._coming = self._read()

    def __contains__(self, stamp_ns: int) -> bool:
        """Whether the node published a mask of this stamp, with its confidence and status."""
        return stamp_ns in self._said

    def __call__(
        self, rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        """See FrameSegmenter. Raises BagError where the mask cannot be read."""
        del rgb, x, modality
        read = {
            topic: labels_from_message(deserialized(message.data, message.msgtype), topic)
            for topic, message in self._found(self.stamp_ns).items()
        }
        self._used += 1
        sure = read[self._confidence] / np.float32(255)
        used = self._said[self.stamp_ns].used
        return Segmentation(read[self._mask], sure, self._label_set, used)

    def told(self, done: SegmentedFrame) -> SegmentedFrame:
        """The frame just answered, with the node's times, pair and confidence."""
        said, rgb_ns = self._said[self.stamp_ns], done.frame.rgb_stamp_ns
        x_ns = None if said.x_ns is None else rgb_ns + said.x_ns
        return PublishedFrame(
            frame=replace(done.frame, x_stamp_ns=x_ns),
            segmentation=done.segmentation,
            timings_ms=dict(said.stage_ms),
            planes=done.planes if x_ns is not None else None,
            x_held=said.x_held,
            facts=FrameFacts(rgb_ns, said.stage_ms, said.confidence),
            x_reason=said.x_reason,
        )

    def missed(self, source: Path, first_rgb_ns: int) -> BagError:
        """The error of a recording none of whose RGB images has a mask."""
        near_s = min(abs(stamp - first_rgb_ns) for stamp in self._said) / 1e9
        return BagError(
            f"No RGB image of {source} has a mask of its stamp in {self._path}: the mask nearest "
            f"to the first image is {near_s:.3f} s away; the node must run on this recording with "
            "its own stamps, as replay.launch.py and `ros2 bag play` keep them."
        )

    def notes(self) -> list[str]:
        """Information for readers of the figures."""
        said = [
            f"The masks of {self._path} were scored by stamp; times, skew and the use of X are "
            "the node's, device and versions those of the scoring."
        ]
        if self._ages_ms:
            ages = Percentiles.of(self._ages_ms)
            said.append(
                f"A mask was published {milliseconds(ages.p50)} ms after its RGB image's stamp "
                f"(95 %: {milliseconds(ages.p95)} ms), by the node's clock, "
                "which goes at the pace of the playback."
            )
        unused = len(self._said) - self._used
        if unused:
            said.append(
                f"{counted(unused, 'mask')} of the node had no scored RGB image of their stamp."
            )
        why = ", ".join(f"{reason_in_words(r)} {n}" for r, n in sorted(self._dropped.items()))
        if why:
            said.append(f"The node's own count of RGB images without a mask: {why}.")
        return [*said, *filter(None, [self._loss])]

    def _whole(self, bag: BagReader) -> dict[int, _Said]:
        """What is said of each stamp of which there are a mask and its confidence."""
        pictures: dict[str, set[int]] = {self._mask: set(), self._confidence: set()}
        said: dict[int, _Said] = {}
        for message in bag.messages([*pictures, self._status]):
            stamp = raw_stamp_ns(message.data)
            if message.topic in pictures:
                pictures[message.topic].add(stamp)
            elif stamp not in said:
                said[stamp] = self._taken(deserialized(message.data, message.msgtype))
        whole = set(said).intersection(*pictures.values()) - {0}
        if not whole:
            raise InputError(
                f"{self._path} has no mask with confidence and status of its stamp "
                f"({len(pictures[self._mask])} masks, {len(pictures[self._confidence])} "
                f"confidences, {len(said)} statuses); record {_RECORD} of one run together."
            )
        return {stamp: said[stamp] for stamp in said if stamp in whole}

    def _taken(self, status: Any) -> _Said:
        for what, given, option in (
            (status.model, self._model, "model"),
            (status.modality, self._modality, "modality"),
        ):
            if what != given:
                raise InputError(
                    f"The masks of {self._path} are of {option} '{what}', but {option} '{given}' "
                    f"was given; give theirs by --{option}."
                )
        drops = zip(status.drop_reasons, status.drop_counts, strict=False)
        self._dropped = {str(reason): int(n) for reason, n in drops}
        if np.isfinite(status.age_ms):
            self._ages_ms.append(float(status.age_ms))
        times = {name: float(getattr(status, f"{name}_ms")) for name in STAGES}
        skew_ms = float(status.skew_ms)
        return _Said(
            used=str(status.modality) if status.x_used else NO_X,
            x_held=bool(status.x_held),
            x_reason=str(status.x_reason),
            x_ns=round(skew_ms * 1e6) if np.isfinite(skew_ms) else None,
            stage_ms={name: ms for name, ms in times.items() if np.isfinite(ms)},
            confidence=float(status.mean_confidence),
        )

    def _found(self, wanted_ns: int) -> Mapping[str, BagMessage]:
        """The messages of that stamp; those of others that come before it are held."""
        found = self._held.pop(wanted_ns, None)
        while found is None:
            stamp, messages = next(self._coming, (0, {}))
            if not messages:
                raise BagError(f"{self._path} has the mask of stamp {wanted_ns} far away.")
            if stamp == wanted_ns:
                found = messages
            else:
                self._held[stamp] = messages
                while len(self._held) > AHEAD:
                    self._held.popitem(last=False)
        return found

    def _read(self) -> Iterator[tuple[int, Mapping[str, BagMessage]]]:
        """Mask and confidence in the order in which they are complete; the first of a stamp."""
        parts: dict[int, dict[str, BagMessage]] = {}
        seen: set[int] = set()
        with BagReader(self._path) as bag:
            for message in bag.messages([self._mask, self._confidence]):
                stamp = raw_stamp_ns(message.data)
                if stamp not in self._said or stamp in seen:
                    continue
                parts.setdefault(stamp, {}).setdefault(message.topic, message)
                if len(parts[stamp]) > 1:
                    seen.add(stamp)
                    yield stamp, parts.pop(stamp)

    def _check_labels(self, bag: BagReader, topic: str) -> None:
        held = bag.topic(topic)
        first = bag.first(topic) if held is not None and held.msgtype == LABEL_INFO else None
        if first is None:
            return
        classes = deserialized(first.data, first.msgtype).class_map
        names = tuple(str(c.class_name) for c in sorted(classes, key=lambda c: int(c.class_id)))
        if names != tuple(self._label_set.names):
            raise InputError(
                f"The masks of {self._path} have the classes {', '.join(names)}, but label set "
                f"'{self._label_set.name}' has {', '.join(self._label_set.names)}; give theirs by "
                "--model or --label-set."
            )


def _node_in(bag: BagReader) -> str:
    """The name below which the outputs of the one node lie."""
    found = {t.name for t in bag.topics if t.count}
    statuses = [t.name for t in bag.topics if t.msgtype == STATUS and t.count]
    nodes = [name.rpartition("/")[0] for name in statuses]
    whole = [node for node in nodes if {f"{node}/{name}" for name in _TOPICS} <= found]
    if not whole:
        raise BagError(
            f"{bag.path} has no masks of the live node with their confidence and status; record "
            f"{_RECORD}."
        )
    if len(whole) > 1:
        raise BagError(
            f"{bag.path} has the masks of several nodes ({', '.join(whole)}); record each in a "
            "bag of its own."
        )
    return whole[0]
