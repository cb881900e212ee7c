# SPDX-License-Identifier: Apache-2.0
"""Replays a recording through pairing, pipeline and model, and leaves results and figures."""

from collections.abc import Callable

from segrgbx_core import Segmenter
from segrgbx_core.output import write_whole
from segrgbx_ros.bag_reader import BagReader
from segrgbx_ros.replay_options import RGB_ALONE, Progress, ReplayOptions
from segrgbx_ros.replay_output import claim_replay_output
from segrgbx_ros.replay_run import ReplayRun
from segrgbx_ros.replay_sensor import make_pairing, make_pipeline
from segrgbx_ros.summary import ReplaySummary
from segrgbx_ros.topics import find_topics

__all__ = ["Progress", "ReplayOptions", "replay"]


def replay(
    options: ReplayOptions,
    progress: Callable[[Progress], None] | None = None,
    segmenter: Segmenter | None = None,
) -> ReplaySummary:
    """Segments every pair of the recording.

    Writes `result/` (a recording), `overlays/`, `panels/` and `summary.json` under options.out.
    segmenter: one already loaded, instead of the options' model, device and precision. Where the
    recording breaks off, what can be read is segmented and `complete` of the summary is False.
    Raises SegRgbxError where nothing could be segmented, and for each mistake in the options.
    """
    with BagReader(options.bag) as bag:
        topics = find_topics(
            bag, options.modality, options.rgb_topic, options.x_topic, options.gt_topic
        )
        if segmenter is None:
            segmenter = Segmenter(
                options.model, options.device, options.precision, label_set=options.label_set
            )
        if options.modality != RGB_ALONE:
            segmenter.card.check_modality(options.modality)
        pairing = make_pairing(options, bag, topics)
        pipeline = make_pipeline(options, bag, topics, segmenter)
        claim_replay_output(options.out, options.force)
        run = ReplayRun(options, bag, topics, segmenter, pairing, pipeline, progress)
        summary = run.finish()
    write_whole(options.out / "summary.json", summary.to_json().encode())
    return summary
