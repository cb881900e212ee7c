# SPDX-License-Identifier: Apache-2.0
"""From pairs to results: the next frames are prepared, and the last ones written, meanwhile."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from types import TracebackType

from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.writer import RunWriter
from segrgbx_core.segmentation import mean_confidence
from segrgbx_ros.messages.cameras import CameraInfoMessage
from segrgbx_ros.messages.images import stamp_ns
from segrgbx_ros.pairing.nearest import Pair
from segrgbx_ros.pipeline import (
    REFUSED_BY_MODEL,
    MessagePair,
    PreparedFrame,
    SegmentedFrame,
)
from segrgbx_ros.replay.account import Account
from segrgbx_ros.replay.behind import Behind
from segrgbx_ros.replay.live.masks import PublishedFrame
from segrgbx_ros.replay.output import FrameContext, ReplayOutput
from segrgbx_ros.replay.pairing import ReplayMatch
from segrgbx_ros.replay.resume import FrameFacts, Recall, RecordedFrame
from segrgbx_ros.replay.rows import RowKeeper
from segrgbx_ros.replay.scoring import FrameLook
from segrgbx_ros.truth.conditions import Moment

AHEAD, UNWRITTEN = 2, 3


@dataclass(frozen=True)
class _Coming:
    """A match whose frame is being prepared, and what was known when it was added."""

    match: ReplayMatch
    moment: Moment
    prepared: "Future[PreparedFrame | str]"
    dropped: dict[str, int]
    camera_info: CameraInfoMessage | None


class FrameStage:
    """Segments, scores and writes matches in their order.

    contradicted: gives the error of a frame that is not the interrupted replay's. before: what is
    known of that replay's frames.
    """

    def __init__(
        self,
        seen: Account,
        rows: RowKeeper,
        output: ReplayOutput,
        recall: Recall | None,
        before: Sequence[FrameFacts],
        contradicted: Callable[[], Exception],
    ) -> None:
        self._seen, self._rows, self._output = seen, rows, output
        self._recall, self._before, self._contradicted = recall, before, contradicted
        self._coming: deque[_Coming] = deque()
        self._refused: Counter[str] = Counter()
        self._count = 0
        self.facts: list[FrameFacts] = []
        self._run: RunWriter | None = None
        self._held, self._files = ExitStack(), ExitStack()
        self._writing = Behind(UNWRITTEN, "write")
        self._preparing = ThreadPoolExecutor(1, "prepare")

    def __enter__(self) -> "FrameStage":
        for part in (self._files, self._output, self._writing, self._preparing):
            self._held.enter_context(part)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.__exit__(kind, value, trace)

    def add(self, match: ReplayMatch, moment: Moment, info: CameraInfoMessage | None) -> None:
        """Adds a match; segments an earlier one if enough are being prepared."""
        pair = match.pair
        messages: MessagePair = Pair(pair.rgb_stamp_ns, pair.rgb.msg, pair.x_stamp_ns, pair.x)
        prepared = self._preparing.submit(self._seen.pipeline.prepare, messages)
        dropped = self._seen.rgb_dropped_by_pairing()
        self._coming.append(_Coming(match, moment, prepared, dropped, info))
        while len(self._coming) > AHEAD:
            self._next()

    def enough(self) -> bool:
        """Whether as many masks were made as were asked for."""
        limit = self._seen.options.max_frames
        if limit is None:
            return False
        while self._coming and self._count + len(self._coming) >= limit:
            self._next()
        return self._count >= limit

    def finish(self) -> None:
        """Segments and writes everything that was added."""
        while self._coming:
            self._next()
        self._writing.finish()

    def give_up(self) -> None:
        """Ends where memory or disk ran out: what was not written counts as not reached."""
        with suppress(Exception):
            self._writing.finish()
        self._writing.go_on()
        unwritten = self._count - len(self.facts)
        self._seen.unwritten = unwritten
        self._seen.pipeline.segmented -= unwritten
        while self._coming:
            coming = self._coming.pop()
            if not isinstance(coming.prepared.exception() or coming.prepared.result(), str):
                self._seen.waiting.appendleft(coming.match)

    def write_rows(self, rows: Sequence[FrameRow]) -> None:
        """Writes lines of images without a mask; not before the first mask, as a replay without
        one leaves nothing."""
        if rows:
            self._writing.do(lambda: self._write_rows(rows))

    @property
    def full(self) -> bool:
        """Whether the disk has no more room than was reserved of it."""
        return self._output.full

    @property
    def begun(self) -> bool:
        """Whether there is a mask."""
        return self._count > 0

    def write_counts(self) -> None:
        """Writes the counts of the scored frames, after the last of them."""
        keeper = self._seen.scoring.keeper
        if self._run is not None and keeper is not None:
            self._run.write_counts(keeper.counts())

    def _next(self) -> None:
        coming = self._coming.popleft()
        prepared = coming.prepared.result()
        if self._recall is not None:
            self._recall.stamp_ns = stamp_ns(coming.match.pair.rgb.msg.header)
        reason = prepared if isinstance(prepared, str) else REFUSED_BY_MODEL
        done = None if isinstance(prepared, str) else self._seen.pipeline.segment(prepared)
        if self._recall is not None and self._recall.contradicted:
            raise self._contradicted()
        if done is None:
            self._refused[reason] += 1
            self._rows.refused(coming.match.pair.rgb_stamp_ns, {reason: 1})
            return
        if self._recall is not None:
            done = self._recall.told(done)
        self._segmented(coming, done)

    def _segmented(self, coming: _Coming, done: SegmentedFrame) -> None:
        match, index = coming.match, self._count
        self._seen.note(match, done)
        taken = None if self._recall is None else self._recall.taken
        look = self._seen.scoring.look(index, done, coming.moment)
        context = FrameContext(
            header=match.pair.rgb.msg.header,
            log_time_ns=match.pair.rgb.log_time_ns,
            dropped=dict(Counter(coming.dropped) + self._refused),
            camera_info=coming.camera_info,
            truth=look.truth,
            x_held=match.held,
            x_reason=done.x_reason if isinstance(done, PublishedFrame) else match.x_reason,
            rgb_message=match.pair.rgb.msg,
        )
        self._count += 1
        self._rows.has_mask(match.pair.rgb_stamp_ns)
        self._writing.do(lambda: self._write(index, done, context, look, taken))

    def _write(
        self,
        index: int,
        done: SegmentedFrame,
        context: FrameContext,
        look: FrameLook,
        taken: RecordedFrame | None,
    ) -> None:
        facts = self._written(index, done, context, taken)
        known = self._seen.scoring.score(index, done, look)
        self.facts.append(facts)
        self._write_rows([self._rows.segmented(index, done, context, known, facts)])
        self._seen.statistics.add(
            done.segmentation, facts.stage_ms, done.frame.skew_ns, facts.confidence
        )

    def _written(
        self, index: int, done: SegmentedFrame, context: FrameContext, taken: RecordedFrame | None
    ) -> FrameFacts:
        """Writes a frame, computed now or taken from the interrupted replay."""
        start = time.perf_counter()
        self._opened().write_mask(f"{index:06d}", done.segmentation.labels)
        mask_ms = (time.perf_counter() - start) * 1e3
        if taken is not None:
            facts = self._before[index]
            known = replace(done, timings_ms=dict(facts.stage_ms))
            self._output.write_again(known, context, taken.messages)
            return facts
        if isinstance(done, PublishedFrame):
            self._output.write(done, context)
            return done.facts
        timings = {**done.timings_ms, "output": mask_ms + self._output.write(done, context)}
        return FrameFacts(done.frame.rgb_stamp_ns, timings, mean_confidence(done.segmentation))

    def _write_rows(self, rows: Sequence[FrameRow]) -> None:
        for row in rows:
            self._opened().write_row(row)

    def _opened(self) -> RunWriter:
        """The run's files, made with the first mask and closed with the result."""
        if self._run is None:
            keeper = self._seen.scoring.keeper
            alone = keeper is not None and keeper.alone
            made = RunWriter(self._seen.options.out, self._seen.segmenter.label_set, alone)
            self._run = self._files.enter_context(made)
        return self._run
