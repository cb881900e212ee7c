# SPDX-License-Identifier: Apache-2.0
"""What a replay has seen so far, and the figures and sentences that come of it."""

from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median

from segrgbx_core import Segmenter
from segrgbx_core.doubts import RECORDED_CLOCK, doubt_about_clock
from segrgbx_core.errors import BagError, InputError
from segrgbx_core.files.resources import versions
from segrgbx_core.runs.figures import Percentiles
from segrgbx_core.runs.folder import RUN_FORMAT, RunFacts
from segrgbx_core.wording import counted
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken, untaken_truth
from segrgbx_ros.messages.types import header_stamp_ns
from segrgbx_ros.pipeline import Pipeline, SegmentedFrame
from segrgbx_ros.replay.live.masks import PublishedMasks
from segrgbx_ros.replay.options import ReplayOptions, settings_of
from segrgbx_ros.replay.pairing import RecordedX, ReplayMatch, ReplayMatching
from segrgbx_ros.replay.scoring import ReplayScoring
from segrgbx_ros.replay.summary import (
    Frames,
    FrameStatistics,
    ModelFacts,
    Recording,
    ReplaySummary,
)

LAGS_KEPT = 1000


class NoFrameError(BagError):
    """Nothing that was read could be segmented, for lack of an image or of its X."""


@dataclass
class Account:
    """The parts of a replay, and its counts.

    waiting: pairs that were not segmented yet. unreadable: messages by role and reason. lags: the
    first log times minus stamps of a topic, in nanoseconds. without_x, held, alone: masks whose X
    had no valid pixel, was an earlier image's, or was missing. stopped: what stopped the replay.
    unwritten: masks that were lost with it. masks: those of a live node, None where they are made.
    """

    options: ReplayOptions
    bag: BagReader
    topics: TopicsTaken
    segmenter: Segmenter
    pipeline: Pipeline
    matching: ReplayMatching
    x: RecordedX
    scoring: ReplayScoring
    waiting: deque[ReplayMatch]
    statistics: FrameStatistics
    unreadable: Counter[str] = field(default_factory=Counter)
    first_rgb_ns: int | None = None
    lags: dict[str, list[int]] = field(default_factory=dict)
    without_x: int = 0
    held: int = 0
    alone: int = 0
    stopped: str | None = None
    unwritten: int = 0
    masks: PublishedMasks | None = None

    @property
    def rgb_total(self) -> int:
        """RGB images in the recording."""
        return self.count(self.topics.rgb)

    def summary(self) -> ReplaySummary:
        """The figures of the whole replay."""
        keeper = self.scoring.scored
        alone = keeper if keeper is not None and keeper.alone else None
        overall = None if keeper is None else keeper.overall()
        loss, card = self.bag.loss, self.segmenter.card
        return ReplaySummary(
            frames=self._frames(),
            miou=None if overall is None else overall.miou,
            per_class_iou=None if overall is None else dict(overall.per_class_iou),
            pixel_accuracy=None if overall is None else overall.pixel_accuracy,
            frames_scored=0 if overall is None else overall.frames,
            scores=None if keeper is None else keeper.groups(),
            rgb_alone=None if alone is None else alone.groups(alone=True),
            confusion=None if keeper is None else keeper.confusion(),
            rgb_alone_confusion=None if alone is None else alone.confusion(alone=True),
            reliability=None if keeper is None else keeper.reliability(),
            rgb_alone_ms=Percentiles.of(self.scoring.alone_ms) if self.scoring.alone_ms else None,
            stage_ms=self.statistics.stage_ms(),
            skew_ms=self.statistics.skew_ms(),
            model=self.segmenter.card.name,
            card=ModelFacts(
                card.description, card.license, card.modalities, dict(card.training), card.limits
            ),
            class_colors={c.name: c.color for c in self.segmenter.label_set.classes},
            modality=self.options.modality,
            device=str(self.segmenter.device),
            precision=self.segmenter.precision,
            backend=self.segmenter.backend,
            versions=versions(),
            topics=self.topics,
            topic_messages=self._messages_by_topic(),
            recording=Recording(
                str(self.options.bag), round(self.bag.duration_s, 3), loss is None, loss
            ),
            mean_confidence=self.statistics.mean_confidence(),
            class_fractions=self.statistics.class_fractions(),
            problems={**self.x.first_problem, **self.pipeline.refusals.first},
            notes=self._notes(),
            sync_policy=self.options.sync.policy,
            interrupted=self._interrupted(),
            run=self.facts(),
        )

    def facts(self) -> RunFacts:
        """What was run."""
        truth, options = self.scoring.truth, self.options
        return RunFacts(
            format=RUN_FORMAT,
            kind="replay" if self.masks is None else "live",
            source=str(options.bag),
            model=self.segmenter.card.name,
            modality=options.modality,
            label_set=self.segmenter.label_set.name,
            scored_by=None if truth is None else truth.source,
            settings=settings_of(options),
        )

    def _interrupted(self) -> str | None:
        if self.stopped is None:
            return None
        again = "--force begins anew"
        return (
            f"Stopped by {self.stopped} after {self.pipeline.segmented} masks, with "
            f"{self.matching.counts.rgb_in} of {counted(self.rgb_total, 'RGB image')} read; "
            f"the same command with {'--resume goes on' if self.masks is None else again}."
        )

    def _frames(self) -> Frames:
        counts = self.matching.counts
        dropped = Counter(self.matching.rgb_dropped)
        dropped.update(self.matching.x_dropped)
        dropped.update(self.pipeline.dropped)
        dropped.update(self._all_unreadable())
        not_reached = counts.rgb_pending + len(self.waiting) + self.unwritten
        if not_reached:
            dropped["not_reached" if self.stopped else "after_max_frames"] = not_reached
        return Frames(
            counts.rgb_in + self.unreadable["unreadable_rgb_message"],
            counts.x_in + self.x.unreadable["unreadable_x_message"],
            counts.paired,
            self.pipeline.segmented,
            {reason: n for reason, n in sorted(dropped.items()) if n},
        )

    def _all_unreadable(self) -> Counter[str]:
        return self.unreadable + self.x.unreadable

    def _notes(self) -> list[str]:
        said = [*self.pipeline.doubted(), *self._clock_doubts(), *self.x.notes()]
        said += [] if self.masks is None else self.masks.notes()
        if self.without_x:
            said.append(
                f"{self.without_x} of {counted(self.pipeline.segmented, 'mask')} are from RGB "
                "alone, since no pixel of their X was valid."
            )
        masks = counted(self.pipeline.segmented, "mask")
        if self.alone:
            said.append(
                f"{self.alone} of {masks} are from RGB alone, since no X was near enough in time "
                "(missing_x rgb_only)."
            )
        if self.held:
            said.append(
                f"{self.held} of {masks} use the X of an earlier image, since none of their own "
                "was near enough in time (missing_x hold_last)."
            )
        if self.options.stamps == "log":
            said.append("Pairs are by log times (--stamps log), which include transport delays.")
        return [*said, *self._truth_notes()]

    def _truth_notes(self) -> list[str]:
        """The notes of the ground truth in use; without it, which topic may be meant."""
        if self.scoring.truth is not None:
            return self.scoring.notes()
        untaken = untaken_truth(self.bag) if self.options.gt_topic is None else None
        return [] if untaken is None else [untaken]

    def _clock_doubts(self) -> list[str]:
        found = (
            doubt_about_clock(topic, median(lags) / 1e9, RECORDED_CLOCK)
            for topic, lags in self.lags.items()
        )
        return [words for words in found if words is not None]

    def nothing_segmented(self) -> BagError | InputError:
        """The error of a replay that ends without a mask."""
        refusals = self.pipeline.refusals
        if refusals.counts:
            why = refusals.first[refusals.counts.most_common(1)[0][0]]
            return InputError(" ".join([why, *self.pipeline.doubted()]))
        if self.x.first_problem and not self.matching.counts.x_in:
            return BagError(next(iter(self.x.first_problem.values())))
        if self.masks is not None and self.first_rgb_ns is not None:
            return self.masks.missed(self.options.bag, self.first_rgb_ns)
        frames = self._frames()
        reasons = ", ".join(f"{reason} {n}" for reason, n in frames.dropped.items()) or "none"
        if frames.dropped.get("invalid_rgb_stamp") or frames.dropped.get("invalid_x_stamp"):
            hint = (
                "images need stamps above zero: check the driver's clock, or pair this recording "
                "by its log times with --stamps log"
            )
        else:
            first = {"rgb": self.first_rgb_ns, "x": self.x.first_ns}
            starts = ", ".join(
                f"{role} {stamp / 1e9:.3f} s" for role, stamp in first.items() if stamp is not None
            )
            hint = f"first stamps: {starts}; {self.x.way_out}"
        if self.bag.loss is not None:
            hint = self.bag.loss.rstrip(".")
        return NoFrameError(
            f"No frame of {self.options.bag} {self.x.missed} "
            f"({frames.rgb_in} RGB, {frames.x_in} X; dropped: {reasons}); {hint}."
        )

    def _messages_by_topic(self) -> dict[str, int]:
        labels = self.topics.ground_truth_labels
        names = self.topics_used() + ([labels] if labels is not None else [])
        return {name: self.count(name) for name in names}

    def topics_used(self) -> list[str]:
        """The topics whose messages are read."""
        topics = self.topics
        used = (topics.rgb, topics.x, topics.ground_truth, topics.camera_info, topics.condition)
        return [name for name in used if name is not None]

    def note_lag(self, message: BagMessage) -> None:
        """Keeps how long after its stamp an image was recorded."""
        stamp = header_stamp_ns(message.data, message.msgtype)
        if message.topic in (self.topics.rgb, self.topics.x) and stamp is not None and stamp > 0:
            lags = self.lags.setdefault(message.topic, [])
            if len(lags) < LAGS_KEPT:
                lags.append(message.log_time_ns - stamp)

    def note(self, match: ReplayMatch, done: SegmentedFrame) -> None:
        """Counts a mask whose X had no valid pixel, was an earlier image's, or was missing."""
        self.without_x += done.planes is not None and not done.x_used
        self.held += match.held or done.x_held
        without = done.planes is None and not done.x_used
        self.alone += without and self.topics.x is not None

    def rgb_dropped_by_pairing(self) -> dict[str, int]:
        """RGB images that came to no pair so far, by reason."""
        dropped = Counter(self.matching.rgb_dropped)
        dropped["unreadable_rgb_message"] += self.unreadable["unreadable_rgb_message"]
        return dict(dropped)

    def count(self, topic: str) -> int:
        """Messages on the topic in the recording."""
        held = self.bag.topic(topic)
        return held.count if held is not None else 0
