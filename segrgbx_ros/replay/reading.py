# SPDX-License-Identifier: Apache-2.0
"""Reads one recording: messages to pairs, pairs to frames, frames to results."""

from collections import Counter, deque
from collections.abc import Callable, Sequence

from segrgbx_core import Segmenter
from segrgbx_core.errors import OutputError, is_out_of_memory
from segrgbx_core.stopping import StoppedError
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.cameras import CameraInfoMessage
from segrgbx_ros.messages.images import AnyImage, stamp_ns
from segrgbx_ros.messages.types import UnreadableMessageError, deserialized
from segrgbx_ros.messages.video import VideoStream
from segrgbx_ros.pipeline import Pipeline
from segrgbx_ros.replay.account import Account
from segrgbx_ros.replay.frames import FrameStage
from segrgbx_ros.replay.layers import PageLayers
from segrgbx_ros.replay.live.masks import NO_LIVE_MASK, PublishedMasks
from segrgbx_ros.replay.options import Progress, ReplayOptions, Stopping, taken_stamp
from segrgbx_ros.replay.output import ReplayOutput
from segrgbx_ros.replay.pairing import ArrivedRgb, ReplayMatch
from segrgbx_ros.replay.resume import FrameFacts, Recall, another_recording
from segrgbx_ros.replay.rows import RowKeeper
from segrgbx_ros.replay.scoring import ReplayScoring
from segrgbx_ros.replay.sensor import make_matching
from segrgbx_ros.replay.summary import FrameStatistics, ReplaySummary
from segrgbx_ros.replay.tools.outputs import bag_images, further_outputs
from segrgbx_ros.truth.conditions import Moment, RecordedConditions
from segrgbx_ros.truth.recorded import RecordedTruth

TRUTH_WAIT_NS = 1_000_000_000
NO_MEMORY, FULL_DISK = "a lack of memory", "a full disk"
REFUSED = "a disk that refuses more"


class ReplayRun:
    """The state of one replay."""

    def __init__(
        self,
        options: ReplayOptions,
        bag: BagReader,
        topics: TopicsTaken,
        segmenter: Segmenter,
        pipeline: Pipeline,
        scoring: ReplayScoring,
        progress: Callable[[Progress], None] | None,
        stopping: Stopping,
        recall: Recall | None = None,
        before: Sequence[FrameFacts] = (),
    ) -> None:
        waiting: deque[ReplayMatch] = deque()
        self._rows = RowKeeper(segmenter.label_set)
        matching, x = make_matching(options, bag, topics, waiting.append, self._rows.dropped)
        self._seen = Account(
            options=options,
            bag=bag,
            topics=topics,
            segmenter=segmenter,
            pipeline=pipeline,
            matching=matching,
            x=x,
            scoring=scoring,
            waiting=waiting,
            statistics=FrameStatistics(segmenter.label_set),
            masks=recall if isinstance(recall, PublishedMasks) else None,
        )
        self._report, self._stopping = progress, stopping
        self._recall = recall
        self._camera_info = self._first_camera_info()
        self._stage = FrameStage(
            self._seen,
            self._rows,
            self._output(),
            recall,
            before,
            lambda: another_recording(options.out),
        )
        self._video, self._newest_log_ns = VideoStream(topics.rgb), 0

    def finish(self) -> ReplaySummary:
        """Reads the recording to its end, or until it is to stop, and sums up."""
        with self._stage as stage:
            self._tell()
            try:
                self._read()
                if self._must_stop():
                    self._seen.stopped = FULL_DISK
                    stage.give_up()
                stage.finish()
            except Exception as err:
                refused = isinstance(err, OutputError)
                masks = len(stage.facts) if refused else self._seen.pipeline.segmented
                may_stop = masks and self._may_stop()
                if not may_stop or not (refused or is_out_of_memory(err)):
                    raise
                stage.give_up()
                self._seen.stopped = REFUSED if refused else NO_MEMORY
            self._tell()
            if stage.begun:
                why = "not_reached" if self._seen.stopped else "after_max_frames"
                stage.write_rows(self._rows.left(why))
                stage.finish()
                stage.write_counts()
        if self._recall is not None and self._recall.more:
            raise another_recording(self._seen.options.out)
        if not self._seen.pipeline.segmented:
            if self._seen.stopped is not None:
                raise StoppedError(f"stopped by {self._seen.stopped} before the first mask.")
            raise self._seen.nothing_segmented()
        return self._seen.summary()

    def _read(self) -> None:
        for message in self._seen.bag.messages(self._seen.topics_used()):
            self._take(message)
            self._release(message.log_time_ns - TRUTH_WAIT_NS)
            if self._stage.begun:
                self._stage.write_rows(self._rows.taken())
            self._seen.stopped = self._stopping() if self._may_stop() else None
            stopped = self._seen.stopped is not None or self._must_stop()
            if stopped or self._stage.enough():
                return
        self._add_rgb(self._video.flush(), self._newest_log_ns)
        self._seen.x.finish()
        self._seen.matching.flush()
        self._release(None)

    @property
    def state(self) -> list[FrameFacts]:
        """What a resumption needs of each frame."""
        return self._stage.facts

    def _may_stop(self) -> bool:
        """Not before everything from the interrupted replay is written again."""
        return self._recall is None or not self._recall.more

    def _must_stop(self) -> bool:
        return self._stage.full and self._may_stop()

    def _output(self) -> ReplayOutput:
        expected = self._seen.rgb_total
        if self._seen.topics.x is not None and self._seen.options.sync.missing_x == "drop":
            expected = min(expected, self._seen.count(self._seen.topics.x))
        expected = min(expected, self._seen.options.max_frames or expected)
        out = self._seen.options.out
        return ReplayOutput(
            out,
            self._seen.segmenter.label_set,
            self._seen.segmenter.card.name,
            self._camera_info is not None,
            bag_images(self._seen.options.files, self._seen.topics),
            [
                PageLayers(out, expected),
                *further_outputs(
                    self._seen.options,
                    self._seen.segmenter.label_set,
                    self._seen.bag,
                    self._seen.topics,
                ),
            ],
        )

    def _take(self, message: BagMessage) -> None:
        """Passes one message to its consumer."""
        self._seen.matching.tick(message.log_time_ns)
        self._seen.note_lag(message)
        conditions = self._seen.scoring.conditions
        if isinstance(conditions, RecordedConditions):
            conditions.read_until(message.log_time_ns)
        if message.topic == self._seen.topics.x:
            self._seen.x.add(message)
            return
        role = self._role(message.topic)
        try:
            msg = deserialized(message.data, message.msgtype)
        except UnreadableMessageError:
            self._seen.unreadable[f"unreadable_{role}_message"] += 1
            if role == "rgb":
                self._rows.unreadable()
            return
        truth = self._seen.scoring.truth
        if role == "camera_info":
            self._camera_info = msg
        elif role == "condition" and isinstance(conditions, RecordedConditions):
            conditions.add(message.log_time_ns, str(msg.data))
        elif role == "ground_truth" and isinstance(truth, RecordedTruth):
            truth.add(_frame_stamp(msg, message.log_time_ns), msg)
        elif role == "rgb":
            self._newest_log_ns = message.log_time_ns
            self._add_rgb(self._video.images(msg), message.log_time_ns)
            self._tell()

    def _add_rgb(self, images: list[AnyImage], log_time_ns: int) -> None:
        for image in images:
            stamp = taken_stamp(self._seen.options.stamps, stamp_ns(image.header), log_time_ns)
            if self._seen.first_rgb_ns is None:
                self._seen.first_rgb_ns = stamp
            self._seen.x.hand_over()
            before = Counter(self._seen.matching.rgb_dropped)
            self._rows.arrived(stamp)
            self._seen.matching.add_rgb(stamp, ArrivedRgb(image, log_time_ns), log_time_ns)
            self._rows.refused(stamp, Counter(self._seen.matching.rgb_dropped) - before)

    def _release(self, before_ns: int | None) -> None:
        """Passes on the decided pairs whose ground truth is present or no longer expected."""
        while self._seen.waiting and not self._must_stop() and not self._stage.enough():
            moment = _moment(self._seen.waiting[0].pair.rgb)
            early = before_ns is not None and moment.log_time_ns >= before_ns
            if early and not self._seen.scoring.settled(moment):
                return
            match = self._seen.waiting.popleft()
            if self._recall is None or stamp_ns(match.pair.rgb.msg.header) in self._recall:
                self._stage.add(match, moment, self._camera_info)
            else:
                self._seen.pipeline.left_out[NO_LIVE_MASK] += 1
                self._rows.dropped(match.pair.rgb_stamp_ns, NO_LIVE_MASK)

    def _first_camera_info(self) -> CameraInfoMessage | None:
        topic = self._seen.topics.camera_info
        first = None if topic is None else self._seen.bag.first(topic)
        if first is None:
            return None
        try:
            info: CameraInfoMessage = deserialized(first.data, first.msgtype)
        except UnreadableMessageError:
            return None
        return info

    def _role(self, topic: str) -> str:
        topics = self._seen.topics
        roles = {
            topics.rgb: "rgb",
            topics.x: "x",
            topics.ground_truth: "ground_truth",
            topics.condition: "condition",
        }
        return roles.get(topic, "camera_info")

    def _tell(self) -> None:
        if self._report is not None:
            seen = self._seen.matching.counts.rgb_in
            done = self._seen.pipeline.segmented
            self._report(Progress(self._seen.topics, seen, self._seen.rgb_total, done))


def _moment(rgb: ArrivedRgb) -> Moment:
    return Moment(_frame_stamp(rgb.msg, rgb.log_time_ns), rgb.log_time_ns)


def _frame_stamp(msg: AnyImage, log_time_ns: int) -> int:
    """What RGB and its ground truth share: the header's stamp, or without one the log time."""
    stamp = stamp_ns(msg.header)
    return stamp if stamp > 0 else log_time_ns
