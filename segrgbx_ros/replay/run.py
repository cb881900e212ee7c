# SPDX-License-Identifier: Apache-2.0
"""A replay: messages to pairs, pairs to frames, frames to results and figures."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeAlias

from segrgbx_core import Segmenter
from segrgbx_core.doubts import doubt_about_clock
from segrgbx_core.errors import BagError, InputError, is_out_of_memory
from segrgbx_core.files.disk import disk_errors, no_empty_folders, write_whole
from segrgbx_core.files.resources import versions
from segrgbx_core.modality import NO_X
from segrgbx_core.stopping import StoppedError
from segrgbx_core.wording import counted
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken, find_topics
from segrgbx_ros.inspection.topic import header_stamp_ns
from segrgbx_ros.messages.cameras import CameraInfoMessage
from segrgbx_ros.messages.images import AnyImage, stamp_ns
from segrgbx_ros.messages.types import UnreadableMessageError, deserialized
from segrgbx_ros.messages.video import VIDEO_TYPES, VideoStream, need_video_package
from segrgbx_ros.pairing.nearest import Pair
from segrgbx_ros.pipeline import MessagePair, Pipeline, SegmentedFrame, mean_confidence
from segrgbx_ros.replay.ground_truth import GroundTruth, class_map, truth_notes
from segrgbx_ros.replay.options import Progress, ReplayOptions, taken_stamp
from segrgbx_ros.replay.output import (
    STATE_FILE,
    FrameContext,
    ReplayOutput,
    claim_replay_output,
    reopen_replay_output,
)
from segrgbx_ros.replay.pairing import ArrivedRgb, ReplayMatch
from segrgbx_ros.replay.resume import (
    EarlierResult,
    FrameFacts,
    RecallingSegmenter,
    ReplayState,
    all_that_matters,
    another_recording,
    need_same,
    read_state,
)
from segrgbx_ros.replay.sensor import make_matching, make_pipeline
from segrgbx_ros.replay.summary import (
    SUMMARY_FILE,
    Frames,
    FrameStatistics,
    ModelFacts,
    Recording,
    ReplaySummary,
)

TRUTH_WAIT_NS = 1_000_000_000
LAGS_KEPT = 1000
OTHER_CLOCK = "the sensor stamps by another clock, or an old recording was recorded again."
NO_MEMORY = "a lack of memory"
Stopping: TypeAlias = Callable[[], str | None]


class ReplayRun:
    """The state of one replay."""

    def __init__(
        self,
        options: ReplayOptions,
        bag: BagReader,
        topics: TopicsTaken,
        segmenter: Segmenter,
        pipeline: Pipeline,
        progress: Callable[[Progress], None] | None,
        stopping: Stopping,
        recall: RecallingSegmenter | None = None,
        before: Sequence[FrameFacts] = (),
    ) -> None:
        self._options, self._bag, self._topics = options, bag, topics
        self._segmenter, self._report = segmenter, progress
        self._pipeline, self._stopping, self._recall = pipeline, stopping, recall
        self._facts: list[FrameFacts] = []
        self._before = before
        self._stopped: str | None = None
        self._waiting: deque[ReplayMatch] = deque()
        self._matching, self._x = make_matching(options, bag, topics, self._waiting.append)
        self._statistics = FrameStatistics(segmenter.label_set)
        self._truth: GroundTruth | None = None
        if topics.ground_truth is not None:
            classes = class_map(bag, topics, segmenter.label_set)
            self._truth = GroundTruth(topics.ground_truth, classes, segmenter.label_set)
        self._camera_info = self._first_camera_info()
        self._unreadable: Counter[str] = Counter()
        self._first_rgb_ns: int | None = None
        self._lags: dict[str, list[int]] = {}
        self._video, self._newest_log_ns = VideoStream(topics.rgb), 0
        self._without_x = self._held = self._alone = 0
        self._rgb_total = self._count(topics.rgb)

    def finish(self) -> ReplaySummary:
        """Reads the recording to its end, or until it is to stop, and sums up."""
        with self._output() as output:
            self._tell()
            try:
                self._read(output)
            except Exception as err:
                may_stop = self._pipeline.segmented and self._may_stop()
                if not may_stop or not is_out_of_memory(err):
                    raise
                self._stopped = NO_MEMORY
            self._tell()
        if self._recall is not None and self._recall.more:
            raise another_recording(self._options.out)
        if not self._pipeline.segmented:
            if self._stopped is not None:
                raise StoppedError(f"stopped by {self._stopped} before the first mask.")
            raise self._nothing_segmented()
        return self._summary()

    def _read(self, output: ReplayOutput) -> None:
        for message in self._bag.messages(self._topics_used()):
            self._take(message)
            self._release(output, message.log_time_ns - TRUTH_WAIT_NS)
            self._stopped = self._stopping() if self._may_stop() else None
            if self._enough() or self._stopped is not None:
                return
        self._add_rgb(self._video.flush(), self._newest_log_ns)
        self._x.finish()
        self._matching.flush()
        self._release(output, None)

    @property
    def state(self) -> list[FrameFacts]:
        """What a resumption needs of each frame."""
        return self._facts

    def _may_stop(self) -> bool:
        """Not before everything from the interrupted replay is written again."""
        return self._recall is None or not self._recall.more

    def _topics_used(self) -> list[str]:
        topics = self._topics
        used = (topics.rgb, topics.x, topics.ground_truth, topics.camera_info)
        return [name for name in used if name is not None]

    def _output(self) -> ReplayOutput:
        expected = self._rgb_total
        if self._topics.x is not None and self._options.sync.missing_x == "drop":
            expected = min(expected, self._count(self._topics.x))
        return ReplayOutput(
            self._options.out,
            self._segmenter.label_set,
            self._segmenter.card.name,
            self._camera_info is not None,
            min(expected, self._options.max_frames or expected),
        )

    def _take(self, message: BagMessage) -> None:
        """Passes one message to its consumer."""
        self._matching.tick(message.log_time_ns)
        self._note_lag(message)
        if message.topic == self._topics.x:
            self._x.add(message)
            return
        role = self._role(message.topic)
        try:
            msg = deserialized(message.data, message.msgtype)
        except UnreadableMessageError:
            self._unreadable[f"unreadable_{role}_message"] += 1
            return
        if role == "camera_info":
            self._camera_info = msg
            return
        if role == "ground_truth" and self._truth is not None:
            self._truth.add(_frame_stamp(msg, message.log_time_ns), msg)
        elif role == "rgb":
            self._newest_log_ns = message.log_time_ns
            self._add_rgb(self._video.images(msg), message.log_time_ns)
            self._tell()

    def _add_rgb(self, images: list[AnyImage], log_time_ns: int) -> None:
        for image in images:
            stamp = taken_stamp(self._options.stamps, stamp_ns(image.header), log_time_ns)
            self._first_rgb_ns = stamp if self._first_rgb_ns is None else self._first_rgb_ns
            self._x.hand_over()
            self._matching.add_rgb(stamp, ArrivedRgb(image, log_time_ns), log_time_ns)

    def _note_lag(self, message: BagMessage) -> None:
        stamp = header_stamp_ns(message)
        if message.topic in (self._topics.rgb, self._topics.x) and stamp is not None and stamp > 0:
            lags = self._lags.setdefault(message.topic, [])
            if len(lags) < LAGS_KEPT:
                lags.append(message.log_time_ns - stamp)

    def _release(self, output: ReplayOutput, before_ns: int | None) -> None:
        """Segments the decided pairs whose ground truth is present or no longer expected."""
        while self._waiting and not self._enough():
            pair = self._waiting[0].pair
            if self._truth is not None and before_ns is not None:
                late = pair.rgb.log_time_ns < before_ns
                if not late and not self._truth.has(_truth_stamp(pair.rgb)):
                    return
            self._segment(self._waiting.popleft(), output)

    def _segment(self, match: ReplayMatch, output: ReplayOutput) -> None:
        pair = match.pair
        messages: MessagePair = Pair(pair.rgb_stamp_ns, pair.rgb.msg, pair.x_stamp_ns, pair.x)
        if self._recall is not None:
            self._recall.stamp_ns = stamp_ns(pair.rgb.msg.header)
        done = self._pipeline.process(messages)
        if self._recall is not None and self._recall.contradicted:
            raise another_recording(self._options.out)
        if done is None:
            return
        self._without_x += pair.x is not None and not done.x_used
        self._held += match.held
        self._alone += pair.x is None and self._topics.x is not None
        truth = None
        if self._truth is not None:
            truth = self._truth.score(_truth_stamp(pair.rgb), done.segmentation.labels)
        context = FrameContext(
            header=pair.rgb.msg.header,
            log_time_ns=pair.rgb.log_time_ns,
            dropped=self._rgb_dropped(),
            camera_info=self._camera_info,
            truth=truth,
            x_held=match.held,
            x_reason=match.x_reason,
        )
        facts = self._written(output, done, context)
        self._facts.append(facts)
        self._statistics.add(
            done.segmentation, facts.stage_ms, done.frame.skew_ns, facts.confidence
        )

    def _written(
        self, output: ReplayOutput, done: SegmentedFrame, context: FrameContext
    ) -> FrameFacts:
        """Writes a frame, computed now or taken from the interrupted replay."""
        if self._recall is not None and self._recall.taken is not None:
            output.write_again(done, context, self._recall.taken.messages)
            return self._before[len(self._facts)]
        timings = {**done.timings_ms, "output": output.write(done, context)}
        confidence = mean_confidence(done.segmentation)
        return FrameFacts(done.frame.rgb_stamp_ns, timings, confidence)

    def _summary(self) -> ReplaySummary:
        scores = self._truth.scores() if self._truth is not None else None
        scored = scores is not None and scores.frames > 0
        loss, card = self._bag.loss, self._segmenter.card
        return ReplaySummary(
            frames=self._frames(),
            miou=scores.miou if scores is not None and scored else None,
            per_class_iou=dict(scores.per_class_iou) if scores is not None and scored else None,
            pixel_accuracy=scores.pixel_accuracy if scores is not None and scored else None,
            frames_scored=scores.frames if scores is not None else 0,
            stage_ms=self._statistics.stage_ms(),
            skew_ms=self._statistics.skew_ms(),
            model=self._segmenter.card.name,
            card=ModelFacts(card.description, card.license, card.modalities, dict(card.training)),
            class_colors={c.name: c.color for c in self._segmenter.label_set.classes},
            modality=self._options.modality,
            device=str(self._segmenter.device),
            precision=self._segmenter.precision,
            backend=self._segmenter.backend,
            versions=versions(),
            topics=self._topics,
            topic_messages=self._messages_by_topic(),
            recording=Recording(
                str(self._options.bag), round(self._bag.duration_s, 3), loss is None, loss
            ),
            mean_confidence=self._statistics.mean_confidence(),
            class_fractions=self._statistics.class_fractions(),
            problems={**self._x.first_problem, **self._pipeline.refusals.first},
            notes=self._notes(),
            sync_policy=self._options.sync.policy,
            interrupted=self._interrupted(),
        )

    def _interrupted(self) -> str | None:
        if self._stopped is None:
            return None
        return (
            f"Stopped by {self._stopped} after {self._pipeline.segmented} masks, with "
            f"{self._matching.counts.rgb_in} of {counted(self._rgb_total, 'RGB image')} read; "
            "the same command with --resume goes on."
        )

    def _frames(self) -> Frames:
        counts = self._matching.counts
        dropped = Counter(self._matching.rgb_dropped)
        dropped.update(self._matching.x_dropped)
        dropped.update(self._pipeline.refusals.counts)
        dropped.update(self._all_unreadable())
        not_reached = counts.rgb_pending + len(self._waiting)
        if not_reached:
            dropped["not_reached" if self._stopped else "after_max_frames"] = not_reached
        return Frames(
            counts.rgb_in + self._unreadable["unreadable_rgb_message"],
            counts.x_in + self._x.unreadable["unreadable_x_message"],
            counts.paired,
            self._pipeline.segmented,
            {reason: n for reason, n in sorted(dropped.items()) if n},
        )

    def _all_unreadable(self) -> Counter[str]:
        return self._unreadable + self._x.unreadable

    def _notes(self) -> list[str]:
        said = [*self._pipeline.doubted(), *self._clock_doubts(), *self._x.notes()]
        if self._without_x:
            said.append(
                f"{self._without_x} of {counted(self._pipeline.segmented, 'mask')} are from RGB "
                "alone, since no pixel of their X was valid."
            )
        masks = counted(self._pipeline.segmented, "mask")
        if self._alone:
            said.append(
                f"{self._alone} of {masks} are from RGB alone, since no X was near enough in time "
                "(missing_x rgb_only)."
            )
        if self._held:
            said.append(
                f"{self._held} of {masks} use the X of an earlier image, since none of their own "
                "was near enough in time (missing_x hold_last)."
            )
        if self._options.stamps == "log":
            said.append("Pairs are by log times (--stamps log), which include transport delays.")
        return [*said, *truth_notes(self._bag, self._options.gt_topic, self._truth)]

    def _clock_doubts(self) -> list[str]:
        found = (
            doubt_about_clock(topic, median(lags) / 1e9, "the recorder's clock", OTHER_CLOCK)
            for topic, lags in self._lags.items()
        )
        return [words for words in found if words is not None]

    def _nothing_segmented(self) -> BagError | InputError:
        """The error of a replay that ends without a mask."""
        refusals = self._pipeline.refusals
        if refusals.counts:
            why = refusals.first[refusals.counts.most_common(1)[0][0]]
            return InputError(" ".join([why, *self._pipeline.doubted()]))
        if self._x.first_problem and not self._matching.counts.x_in:
            return BagError(next(iter(self._x.first_problem.values())))
        frames = self._frames()
        reasons = ", ".join(f"{reason} {n}" for reason, n in frames.dropped.items()) or "none"
        if frames.dropped.get("invalid_rgb_stamp") or frames.dropped.get("invalid_x_stamp"):
            hint = (
                "images need stamps above zero: check the driver's clock, or pair this recording "
                "by its log times with --stamps log"
            )
        else:
            first = {"rgb": self._first_rgb_ns, "x": self._x.first_ns}
            starts = ", ".join(
                f"{role} {stamp / 1e9:.3f} s" for role, stamp in first.items() if stamp is not None
            )
            hint = f"first stamps: {starts}; {self._x.way_out}"
        if self._bag.loss is not None:
            hint = self._bag.loss.rstrip(".")
        return BagError(
            f"No frame of {self._options.bag} {self._x.missed} "
            f"({frames.rgb_in} RGB, {frames.x_in} X; dropped: {reasons}); {hint}."
        )

    def _messages_by_topic(self) -> dict[str, int]:
        labels = self._topics.ground_truth_labels
        names = self._topics_used() + ([labels] if labels is not None else [])
        return {name: self._count(name) for name in names}

    def _first_camera_info(self) -> CameraInfoMessage | None:
        topic = self._topics.camera_info
        first = None if topic is None else self._bag.first(topic)
        if first is None:
            return None
        try:
            info: CameraInfoMessage = deserialized(first.data, first.msgtype)
        except UnreadableMessageError:
            return None
        return info

    def _rgb_dropped(self) -> dict[str, int]:
        """RGB images dropped so far, by reason."""
        dropped = Counter(self._matching.rgb_dropped)
        dropped.update(self._pipeline.refusals.counts)
        dropped["unreadable_rgb_message"] += self._unreadable["unreadable_rgb_message"]
        return dict(dropped)

    def _role(self, topic: str) -> str:
        topics = self._topics
        roles = {topics.rgb: "rgb", topics.x: "x", topics.ground_truth: "ground_truth"}
        return roles.get(topic, "camera_info")

    def _count(self, topic: str) -> int:
        held = self._bag.topic(topic)
        return held.count if held is not None else 0

    def _enough(self) -> bool:
        limit = self._options.max_frames
        return limit is not None and self._pipeline.segmented >= limit

    def _tell(self) -> None:
        if self._report is not None:
            seen = self._matching.counts.rgb_in
            self._report(Progress(self._topics, seen, self._rgb_total, self._pipeline.segmented))


def _truth_stamp(rgb: ArrivedRgb) -> int:
    return _frame_stamp(rgb.msg, rgb.log_time_ns)


def _frame_stamp(msg: AnyImage, log_time_ns: int) -> int:
    """What RGB and its ground truth share: the header's stamp, or without one the log time."""
    stamp = stamp_ns(msg.header)
    return stamp if stamp > 0 else log_time_ns


def replay(
    options: ReplayOptions,
    progress: Callable[[Progress], None] | None = None,
    segmenter: Segmenter | None = None,
    stopping: Stopping = lambda: None,
) -> ReplaySummary:
    """Segments every pair of the recording.

    Writes `result/` (a recording), `overlays/`, `panels/` and `summary.json` under options.out.
    segmenter: a loaded one, instead of the options' model, device, precision and backend. If the
    recording is truncated, the readable part is segmented and `complete` of the summary is False.
    stopping: asked after each message; the name of a signal ends the replay there, with everything
    written that belongs to the masks so far, and `resume.npz`, from which options.resume goes on.
    Raises SegRgbxError if nothing could be segmented, and for each error in the options;
    StoppedError if it was stopped before the first mask.
    """
    with no_empty_folders(options.out), BagReader(options.bag) as bag:
        topics = find_topics(
            bag, options.modality, options.rgb_topic, options.x_topic, options.gt_topic
        )
        for name in filter(None, (topics.rgb, topics.x)):
            used = bag.topic(name)
            if used is not None and used.msgtype in VIDEO_TYPES:
                need_video_package(name)
        if segmenter is None:
            segmenter = Segmenter(
                options.model,
                options.device,
                options.precision,
                label_set=options.label_set,
                backend=options.backend,
            )
        if options.modality != NO_X:
            segmenter.card.check_modality(options.modality)
        begun_with = all_that_matters(options, bag, topics, segmenter)
        if options.resume:
            parts = Parts(options, bag, topics, segmenter, progress, stopping)
            return _resumed(parts, begun_with)
        pipeline = make_pipeline(options, bag, topics, segmenter)
        inputs = [options.bag, *options.cameras.files()]
        claim_replay_output(options.out, options.force, inputs)
        run = ReplayRun(options, bag, topics, segmenter, pipeline, progress, stopping)
        return _finished(run, options.out, begun_with)


@dataclass(frozen=True)
class Parts:
    """What a replay is made of."""

    options: ReplayOptions
    bag: BagReader
    topics: TopicsTaken
    segmenter: Segmenter
    progress: Callable[[Progress], None] | None
    stopping: Stopping


def _resumed(parts: Parts, begun_with: Mapping[str, str]) -> ReplaySummary:
    out, segmenter = parts.options.out, parts.segmenter
    state = read_state(out)
    need_same(out, state.begun_with, begun_with)
    reopen_replay_output(out)
    earlier = EarlierResult(out)
    try:
        # One more may be there, of a frame that was not finished.
        known = islice(earlier.frames(segmenter.label_set), len(state.frames))
        recall = RecallingSegmenter(segmenter, known)
        pipeline = make_pipeline(parts.options, parts.bag, parts.topics, recall)
        run = ReplayRun(**vars(parts), pipeline=pipeline, recall=recall, before=state.frames)
        summary = _finished(run, out, begun_with)
    except BaseException:
        earlier.give_back()
        raise
    earlier.drop()
    return summary


def _finished(run: ReplayRun, out: Path, begun_with: Mapping[str, str]) -> ReplaySummary:
    """Runs it, and writes the summary and, where it was stopped, what a resumption needs."""
    summary = run.finish()
    if summary.interrupted is not None:
        ReplayState(begun_with, run.state).write(out)
    write_whole(out / SUMMARY_FILE, summary.to_json().encode())
    if summary.interrupted is None:
        with disk_errors(out):
            (out / STATE_FILE).unlink(missing_ok=True)
    return summary
