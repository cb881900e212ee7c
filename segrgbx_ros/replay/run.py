# SPDX-License-Identifier: Apache-2.0
"""A replay from its options to its summary, begun or gone on with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from segrgbx_core import Segmenter
from segrgbx_core.files.disk import disk_errors, no_empty_folders, write_whole
from segrgbx_core.modality import NO_X
from segrgbx_core.runs.counts import COUNTS_FILE, read_counts
from segrgbx_core.runs.folder import SUMMARY_FILE
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.span import LogSpan
from segrgbx_ros.bags.topics import TopicsTaken, find_topics
from segrgbx_ros.messages.video import VIDEO_TYPES, need_video_package
from segrgbx_ros.pipeline import XEncoder
from segrgbx_ros.replay.live.masks import PublishedMasks
from segrgbx_ros.replay.options import Progress, ReplayOptions, Stopping
from segrgbx_ros.replay.output import STATE_FILE, claim_replay_output, reopen_replay_output
from segrgbx_ros.replay.reading import ReplayRun
from segrgbx_ros.replay.resume import (
    EarlierResult,
    RecallingSegmenter,
    ReplayState,
    all_that_matters,
    need_same,
    read_state,
)
from segrgbx_ros.replay.scoring import make_scoring
from segrgbx_ros.replay.sensor import fitted, make_pipeline
from segrgbx_ros.replay.summary import ReplaySummary
from segrgbx_ros.replay.tools.outputs import check_further


def replay(
    options: ReplayOptions,
    progress: Callable[[Progress], None] | None = None,
    segmenter: Segmenter | None = None,
    stopping: Stopping = lambda: None,
    opened: Callable[[Path, LogSpan | None], BagReader] = BagReader,
    encode_through: Callable[[XEncoder], XEncoder] | None = None,
) -> ReplaySummary:
    """Segments every pair of the recording.

    Writes `result/` (a recording), `overlays/`, `masks/` and a run's files under options.out, and
    the layers for `write_report`.
    segmenter: a loaded one, instead of the options' model, device, precision and backend. If the
    recording is truncated, the readable part is segmented and `complete` of the summary is False.
    stopping: asked after each message; the name of a signal ends the replay there, with everything
    written that belongs to the masks so far, and `resume.npz`, from which options.resume goes on.
    opened, encode_through: for scenarios, a recording and an encoder of X with a fault.
    Raises SegRgbxError if nothing could be segmented, and for each error in the options;
    StoppedError if it was stopped before the first mask.
    """
    with no_empty_folders(options.out), opened(options.bag, options.span) as bag:
        topics = find_topics(
            bag,
            options.modality,
            options.rgb_topic,
            options.x_topic,
            options.gt_topic,
            options.truth.condition_topic,
        )
        for name in filter(None, (topics.rgb, topics.x)):
            used = bag.topic(name)
            if used is not None and used.msgtype in VIDEO_TYPES:
                need_video_package(name)
        inputs = [options.bag, *options.cameras.files(), *options.truth.files()]
        inputs += [] if options.masks is None else [options.masks]
        check_further(options, inputs)
        if segmenter is None:
            segmenter = Segmenter(
                options.model,
                options.device,
                options.precision,
                label_set=options.label_set,
                backend=options.backend,
            )
        if options.fit_slop:
            options = replace(options, fit_slop=False, sync=fitted(options, bag, topics))
        if options.modality != NO_X:
            segmenter.card.check_modality(options.modality)
        begun_with = all_that_matters(options, bag, topics, segmenter)
        if options.resume:
            parts = Parts(options, bag, topics, segmenter, progress, stopping)
            return _resumed(parts, begun_with)
        masks = _published(options, segmenter)
        pipeline = make_pipeline(options, bag, topics, segmenter if masks is None else masks)
        if encode_through is not None:
            pipeline.encode_through(encode_through)
        scoring = make_scoring(options, bag, topics, segmenter.label_set, segmenter)
        claim_replay_output(options.out, options.force, inputs)
        parts = Parts(options, bag, topics, segmenter, progress, stopping)
        run = ReplayRun(**vars(parts), pipeline=pipeline, scoring=scoring, recall=masks)
        return _finished(run, options.out, begun_with if masks is None else {})


def _published(options: ReplayOptions, segmenter: Segmenter) -> PublishedMasks | None:
    if options.masks is None:
        return None
    return PublishedMasks(options.masks, segmenter.card, segmenter.label_set, options.modality)


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
    label_set = segmenter.label_set
    before = read_counts(out / COUNTS_FILE) if (out / COUNTS_FILE).is_file() else None
    scoring = make_scoring(parts.options, parts.bag, parts.topics, label_set, segmenter, before)
    reopen_replay_output(out)
    earlier = EarlierResult(out)
    try:
        # One more may be there, of a frame that was not finished.
        known = islice(earlier.frames(label_set), len(state.frames))
        recall = RecallingSegmenter(segmenter, known)
        pipeline = make_pipeline(parts.options, parts.bag, parts.topics, recall)
        run = ReplayRun(
            **vars(parts), pipeline=pipeline, scoring=scoring, recall=recall, before=state.frames
        )
        summary = _finished(run, out, begun_with)
    except BaseException:
        earlier.give_back()
        raise
    earlier.drop()
    return summary


def _finished(run: ReplayRun, out: Path, begun_with: Mapping[str, str]) -> ReplaySummary:
    """Runs it, and writes the summary and, where it was stopped, what a resumption needs.

    begun_with: empty where it cannot be resumed.
    """
    summary = run.finish()
    if summary.interrupted is not None and begun_with:
        ReplayState(begun_with, run.state).write(out)
    write_whole(out / SUMMARY_FILE, summary.to_json().encode())
    if summary.interrupted is None:
        with disk_errors(out):
            (out / STATE_FILE).unlink(missing_ok=True)
    return summary
