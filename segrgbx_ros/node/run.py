# SPDX-License-Identifier: Apache-2.0
"""The active node: inputs, matching, worker, pipeline, and their figures."""

import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, TypeAlias

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from segrgbx_core import Segmenter
from segrgbx_core.encoding import DepthSettings
from segrgbx_core.errors import InputError
from segrgbx_core.modality import NO_X
from segrgbx_core.sensor import SeenFromRgb
from segrgbx_ros.messages.images import AnyImage, stamp_ns
from segrgbx_ros.messages.readings import XDecoder, XInput
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.messages.types import Header
from segrgbx_ros.node.cloud import CloudMaker
from segrgbx_ros.node.conversions import convert_live
from segrgbx_ros.node.geometry import CloudDecoder, LateEncoder, live_cameras
from segrgbx_ros.node.health.health import Rate, Recent, RunHealth
from segrgbx_ros.node.inputs import (
    RGB,
    CameraInfoInput,
    EventInput,
    image_input,
    installed_type,
    x_input,
)
from segrgbx_ros.node.outputs import NodeOutputs, camera_info_message, status_message
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.parameters.sensor import (
    check_tiles,
    encoding_settings,
    rgb_settings,
    sensor_settings,
    sync_settings,
)
from segrgbx_ros.node.subscription import Asked, Input
from segrgbx_ros.node.worker import SUPERSEDED, RateLimit, Turns, Worker
from segrgbx_ros.pairing.matching import Match, Matching
from segrgbx_ros.pipeline import EmptyWindows, Pipeline, SegmentedFrame, frame_status

LiveMatch: TypeAlias = Match[AnyImage, XInput]

ALL_CAPACITY = 256
ALL_DEPTH = 100
TICKS_PER_TIMEOUT = 5
LEAST_TICK_S, LONGEST_TICK_S = 0.01, 0.05
DOUBT_EVERY = 30
REFUSAL_SHOWN_S = 10.0
LOOKS_BACK = 5
STAGES = ("decode", "encode", "model", "output")


class LiveRun:
    """Segments arriving messages from start to stop.

    The worker's thread decodes, segments and publishes, when its turn among the cameras has come;
    callbacks only match.
    """

    def __init__(
        self,
        node: Node,
        settings: NodeSettings,
        segmenter: Segmenter,
        outputs: NodeOutputs,
        turns: Turns,
    ) -> None:
        self.settings, self.enabled = settings, True
        self._node, self._outputs, self._segmenter = node, outputs, segmenter
        self._pair_rate, self._age_ms, self._skew_ms = Rate(), Recent(), Recent()
        self._stage_ms = {stage: Recent() for stage in STAGES}
        self._refusal: tuple[float, str] | None = None
        self._set_aside: Counter[str] = Counter()
        self._limit = RateLimit()
        self._told_restarts = self._forgotten_restarts = 0
        self._looks: deque[tuple[int, ...]] = deque(maxlen=LOOKS_BACK + 1)
        every = settings.scheduling == "all"
        capacity, depth = (ALL_CAPACITY, ALL_DEPTH) if every else (1, 1)
        with ExitStack() as opened:
            self.worker: Worker[LiveMatch] = Worker(self._work, capacity, turns)
            opened.callback(self.worker.stop)
            self.matching: Matching[AnyImage, XInput] = Matching(
                settings.modality,
                is_windowed(settings.modality),
                sync_settings(settings),
                self._on_match,
            )
            self.inputs = self._open_inputs(opened, depth)
            self.rgb_info = CameraInfoInput(node, "rgb/camera_info")
            opened.callback(self.rgb_info.close)
            self._encoder, decoder = self._open_x(opened)
            self._clouds = CloudMaker(_depth_settings(settings))
            self.pipeline = self._made_pipeline(decoder)
            self._start_ticking(opened)
            self.worker.start()
            self._listen()
            self._opened = opened.pop_all()

    def _open_inputs(self, opened: ExitStack, depth: int) -> list[Input]:
        """RGB, and X if there is one."""
        settings = self.settings
        asked = Asked(depth, settings.rgb_reliability)
        inputs = [image_input(self._node, RGB, settings.rgb_transport, asked)]
        opened.callback(inputs[0].close)
        if settings.modality != NO_X:
            inputs.append(x_input(self._node, settings, depth))
            opened.callback(inputs[1].close)
        return inputs

    def _open_x(self, opened: ExitStack) -> tuple[LateEncoder | None, XDecoder | None]:
        """Encoder and decoder of X, which may wait for calibrations; none without X."""
        settings, modality = self.settings, self.settings.modality
        if modality == NO_X:
            return None, None
        sensor, clouds = sensor_settings(settings), settings.x_transport == "points"
        cameras = live_cameras(self._node, self.rgb_info, modality, sensor, clouds)
        opened.callback(cameras.close)
        encoder = LateEncoder(modality, sensor, SeenFromRgb(cameras) if clouds else cameras)
        topic = self.inputs[1].topic
        if clouds:
            return encoder, CloudDecoder(modality, topic, cameras)
        return encoder, XDecoder(modality, topic, convert_live)

    def _made_pipeline(self, decoder: XDecoder | None) -> Pipeline:
        settings = self.settings
        return Pipeline(
            self._segmenter,
            settings.modality,
            rgb_topic=self.inputs[0].topic,
            x_topic=self.inputs[-1].topic,
            encoder=self._encoder,
            decode_x=decoder,
            convert=convert_live,
            rgb=rgb_settings(settings),
            settings=encoding_settings(settings),
            look_every=DOUBT_EVERY,
            empty=EmptyWindows.of(settings.modality, sync_settings(settings)),
        )

    def _start_ticking(self, opened: ExitStack) -> None:
        tick_s = min(self.settings.sync_x_timeout / TICKS_PER_TIMEOUT, LONGEST_TICK_S)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = self._node.create_timer(max(LEAST_TICK_S, tick_s), self._tick, clock=steady)
        opened.callback(self._node.destroy_timer, timer)

    def _listen(self) -> None:
        """Connects the inputs to the matching."""
        self.inputs[0].filter.registerCallback(self._on_rgb)
        for x in self.inputs[1:]:
            if isinstance(x, EventInput):
                x.events.registerCallback(self._on_events)
            else:
                x.filter.registerCallback(self._on_x)

    @staticmethod
    def check(settings: NodeSettings) -> None:
        """Raises InputError for settings that cannot run."""
        rgb_settings(settings)
        encoding_settings(settings)
        if is_windowed(settings.modality):
            installed_type(settings.event_message)
        check_tiles(settings)

    def stop(self) -> None:
        """Closes the inputs, and finishes the frame that is being segmented."""
        self._opened.close()

    def change(self, settings: NodeSettings) -> None:
        """Applies other dynamic parameters from the next frame on."""
        self.settings = settings
        sync = sync_settings(settings)
        self.matching.change(sync)
        self.pipeline.empty = EmptyWindows.of(settings.modality, sync)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _on_rgb(self, msg: Any) -> None:
        self.matching.add_rgb(stamp_ns(msg.header), msg, self._now_ns())

    def _on_x(self, msg: Any) -> None:
        self.matching.add_x(stamp_ns(msg.header), msg, self._now_ns())

    def _on_events(self, chunk: Any) -> None:
        self.matching.add_events(chunk, self._now_ns())

    def _tick(self) -> None:
        self.matching.tick(self._now_ns())
        restarts = self.matching.restarts
        if restarts != self._told_restarts:
            self._told_restarts = restarts
            self._node.get_logger().info(
                "Stamps jumped back, as in a looping bag: pairing starts again."
            )

    def _on_match(self, match: LiveMatch) -> None:
        reason = self._not_now(match)
        if reason is None:
            self._pair_rate.mark()
            self.worker.submit(match)
        else:
            self._set_aside[reason] += 1

    def _not_now(self, match: LiveMatch) -> str | None:
        """Why a pair is not segmented; None if it is."""
        if not self.enabled:
            return "disabled"
        if not self._outputs.any_wanted(self.settings):
            return "no_subscriber"
        if not self._limit.admits(match.pair.rgb_stamp_ns, self.settings.max_rate):
            return "max_rate"
        return None

    def _work(self, match: LiveMatch) -> None:
        restarts = self.matching.restarts
        if restarts != self._forgotten_restarts:
            self._forgotten_restarts = restarts
            self._segmenter.forget_scene()
        refused = dict(self.pipeline.refusals.counts)
        done = self.pipeline.process(match.pair)
        if done is None:
            self._note_refusal(refused)
            return
        try:
            self._publish(match, done)
        except Exception:
            if self._node.context.ok():
                raise

    def _publish(self, match: LiveMatch, done: SegmentedFrame) -> None:
        start = time.perf_counter()
        header = match.pair.rgb.header
        age_ms = (self._now_ns() - match.pair.rgb_stamp_ns) / 1e6
        self._outputs.publish_frame(done, header, self.rgb_info.newest, self.settings)
        if self._outputs.wanted("cloud", self.settings):
            self._publish_cloud(done, header)
        output_ms = (time.perf_counter() - start) * 1e3
        self._measure(done, age_ms, output_ms)
        if self._outputs.wanted("status", self.settings):
            status = frame_status(
                done,
                model=self._segmenter.card.name,
                frames_segmented=self.pipeline.segmented,
                dropped=self.dropped(),
                output_ms=output_ms,
                age_ms=age_ms,
                x_held=match.held,
                x_reason=match.x_reason,
            )
            self._outputs.publish("status", status_message(status, header))

    def _publish_cloud(self, done: SegmentedFrame, header: Header) -> None:
        try:
            if self.rgb_info.newest is None:
                raise InputError(f"~/cloud waits for a calibration on {self.rgb_info.topic}.")
            moved = None if self._encoder is None else self._encoder.reprojection
            info = camera_info_message(self.rgb_info.newest, header, done)
            cloud = self._clouds(done, header, info, moved)
        except InputError as err:
            self._refusal = (time.monotonic(), str(err))
            return
        self._outputs.publish("cloud", cloud)

    def _measure(self, done: SegmentedFrame, age_ms: float, output_ms: float) -> None:
        for stage, value in {**done.timings_ms, "output": output_ms}.items():
            if stage in self._stage_ms:
                self._stage_ms[stage].add(value)
        self._age_ms.add(age_ms)
        if done.frame.skew_ns is not None:
            self._skew_ms.add(abs(done.frame.skew_ns) / 1e6)

    def _note_refusal(self, before: Mapping[str, int]) -> None:
        for reason, count in self.pipeline.refusals.counts.items():
            if count > before.get(reason, 0):
                self._refusal = (time.monotonic(), self.pipeline.refusals.first[reason])

    def refusal(self) -> str | None:
        """The sentence on an unusable frame within the last ten seconds; None without one."""
        x = self.inputs[-1]
        problems = [self._refusal, x.problem if isinstance(x, EventInput) else None]
        newest = max((p for p in problems if p is not None), default=None)
        if newest is None or time.monotonic() - newest[0] > REFUSAL_SHOWN_S:
            return None
        return newest[1]

    def dropped(self) -> dict[str, int]:
        """RGB images without a mask, by reason."""
        total = Counter(self.matching.rgb_dropped)
        for part in (self._set_aside, self.worker.dropped, self.pipeline.dropped):
            total.update(dict(part))
        if self.worker.defects:
            total["unexpected_error"] += self.worker.defects
        return dict(total)

    def x_dropped(self) -> dict[str, int]:
        """Unused X readings, by reason."""
        x = self.inputs[-1]
        undecodable = x.undecodable if isinstance(x, EventInput) else 0
        known = {"undecodable_x_message": undecodable, **self.matching.x_dropped}
        return {reason: n for reason, n in known.items() if n}

    def x_state(self) -> str:
        """The state of the second sensor, in a few words."""
        if self.settings.modality == NO_X:
            return "none asked for"
        if self.inputs[-1].count == 0:
            return "nothing has come yet"
        return "silent" if self.matching.x_silent(self._now_ns()) else "coming"

    def health(self) -> RunHealth:
        """The current figures. Called about once per second; compares with its last calls."""
        counts, drops, made = self.matching.counts, self.dropped(), self.pipeline.segmented
        without_x = counts.rgb_dropped.get("rgb_without_x", 0)
        late = sorted(self.matching.late_ns)
        superseded = drops.get(SUPERSEDED, 0)
        self._looks.append((counts.paired, without_x, superseded, made, self.matching.late))
        new = [now - then for then, now in zip(self._looks[0], self._looks[-1], strict=True)]
        spreads = {stage: recent.spread() for stage, recent in self._stage_ms.items()}
        return RunHealth(
            enabled=self.enabled,
            inputs=[source.health() for source in self.inputs],
            defects=self.worker.defects,
            pairs_hz=self._pair_rate.hz(),
            new_paired=new[0],
            new_without_x=new[1],
            new_superseded=new[2],
            new_segmented=new[3],
            new_late=new[4],
            late_s=late[len(late) // 2] / 1e9 if late else None,
            skew_ms=self._skew_ms.spread(),
            age_ms=self._age_ms.spread(),
            stage_ms={stage: spread for stage, spread in spreads.items() if spread is not None},
            x_state=self.x_state(),
            drops=drops,
            x_drops=self.x_dropped(),
            frames_segmented=made,
            restarts=self.matching.restarts,
            refusal=self.refusal(),
            doubt=" ".join(self.pipeline.doubted_now()) or None,
        )


def _depth_settings(settings: NodeSettings) -> DepthSettings | None:
    made = encoding_settings(settings)
    return made if isinstance(made, DepthSettings) else None
