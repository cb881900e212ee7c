# SPDX-License-Identifier: Apache-2.0
"""What runs while the node is active: inputs, pairing, worker, pipeline, and their figures."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from segrgbx_core import Segmenter
from segrgbx_core.encoding import DepthSettings
from segrgbx_core.errors import InputError
from segrgbx_ros.messages.images import Header
from segrgbx_ros.node.cloud import CloudMaker
from segrgbx_ros.node.conversions import convert_live
from segrgbx_ros.node.encoding import encoding_settings, make_encoder
from segrgbx_ros.node.geometry import LiveGeometry
from segrgbx_ros.node.health.findings import doubt
from segrgbx_ros.node.health.health import Rate, Recent
from segrgbx_ros.node.inputs import (
    RGB,
    CameraInfoInput,
    EventInput,
    PairingFilter,
    image_input,
    installed_type,
    x_input,
)
from segrgbx_ros.node.outputs import Outputs, status_message
from segrgbx_ros.node.pairing import Job
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.worker import RateLimit, Worker
from segrgbx_ros.pipeline import Pipeline, SegmentedFrame, frame_status

ALL_CAPACITY = 256
ALL_DEPTH = 100
TICKS_PER_TIMEOUT = 5
LEAST_TICK_S, LONGEST_TICK_S = 0.01, 0.05
DOUBT_EVERY = 30
REFUSAL_SHOWN_S = 10.0
STAGES = ("decode", "encode", "model", "output")


class LiveRun:
    """Segments what arrives from start to stop.

    Messages are decoded, segmented and published in the worker's thread; callbacks only pair.
    """

    def __init__(
        self, node: Node, settings: NodeSettings, segmenter: Segmenter, outputs: Outputs
    ) -> None:
        self.settings, self.enabled = settings, True
        self._node, self._outputs = node, outputs
        self._model_name = segmenter.card.name
        self.pair_rate, self.age_ms, self.skew_ms = Rate(), Recent(), Recent()
        self.stage_ms = {stage: Recent() for stage in STAGES}
        self.doubt: str | None = None
        self._refusal: tuple[float, str] | None = None
        self._set_aside: Counter[str] = Counter()
        self._limit = RateLimit()
        self._told_restarts = self._forgotten_restarts = 0
        self._segmenter = segmenter
        with ExitStack() as opened:
            self._open(settings, opened)
            self._opened = opened.pop_all()

    def _open(self, settings: NodeSettings, opened: ExitStack) -> None:
        """Everything that must be closed again is put on the stack."""
        node = self._node
        every = settings.scheduling == "all"
        self.worker: Worker[Job] = Worker(self._work, ALL_CAPACITY if every else 1)
        depth = ALL_DEPTH if every else 1
        opened.callback(self.worker.stop)
        self.inputs = [image_input(node, RGB, settings.rgb_transport, depth)]
        opened.callback(self.inputs[0].close)
        if settings.modality != "none":
            self.inputs.append(x_input(node, settings, depth))
            opened.callback(self.inputs[1].close)
        depth_settings = encoding_settings(settings) if settings.modality == "depth" else None
        assert isinstance(depth_settings, (DepthSettings, type(None)))
        self._clouds = CloudMaker(depth_settings)
        self.rgb_info = CameraInfoInput(node, "rgb/camera_info")
        opened.callback(self.rgb_info.close)
        self.geometry = LiveGeometry(node, settings, self.rgb_info)
        opened.callback(self.geometry.close)
        self.sync = PairingFilter(settings, self.inputs, self._now_ns)
        self.sync.registerCallback(self._on_job)
        self.pipeline = Pipeline(
            self._segmenter,
            settings.modality,
            self.inputs[0].topic,
            self.inputs[-1].topic,
            self.geometry.encoder,
            self.geometry.decoder(self.inputs[-1].topic),
            convert_live,
        )
        tick_s = min(settings.sync_x_timeout / TICKS_PER_TIMEOUT, LONGEST_TICK_S)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = node.create_timer(max(LEAST_TICK_S, tick_s), self._tick, clock=steady)
        opened.callback(node.destroy_timer, timer)
        self.worker.start()

    @staticmethod
    def check(settings: NodeSettings) -> None:
        """Raises InputError for settings that could not run."""
        make_encoder(settings)
        if settings.modality == "event":
            installed_type(settings.event_message)

    def stop(self) -> None:
        """No more messages; the frame that is being segmented is finished first."""
        self._opened.close()

    def change(self, settings: NodeSettings) -> None:
        """Other dynamic parameters from the next frame on."""
        self.settings = settings
        self.sync.pairing.change(settings)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _tick(self) -> None:
        self.sync.tick()
        restarts = self.sync.pairing.restarts
        if restarts != self._told_restarts:
            self._told_restarts = restarts
            self._node.get_logger().info(
                "Stamps jumped back, as in a looping bag: pairing starts anew."
            )

    def _on_job(self, job: Job) -> None:
        reason = self._not_now(job)
        if reason is None:
            self.pair_rate.mark()
            self.worker.submit(job)
        else:
            self._set_aside[reason] += 1

    def _not_now(self, job: Job) -> str | None:
        """Why a pair is not to be segmented; None when it is."""
        if not self.enabled:
            return "disabled"
        if not self._outputs.any_wanted(self.settings):
            return "no_subscriber"
        if not self._limit.admits(job.pair.rgb_stamp_ns, self.settings.max_rate):
            return "max_rate"
        return None

    def _work(self, job: Job) -> None:
        restarts = self.sync.pairing.restarts
        if restarts != self._forgotten_restarts:
            self._forgotten_restarts = restarts
            self._segmenter.forget_scene()
        refused = dict(self.pipeline.refusals.counts)
        done = self.pipeline.process(job.pair)
        if done is None:
            self._note_refusal(refused)
            return
        try:
            self._publish(job, done)
        except Exception:
            if self._node.context.ok():
                raise

    def _publish(self, job: Job, done: SegmentedFrame) -> None:
        start = time.perf_counter()
        header = job.pair.rgb.header
        age_ms = (self._now_ns() - job.pair.rgb_stamp_ns) / 1e6
        self._outputs.publish_frame(done, header, self.rgb_info.newest, self.settings)
        if self._outputs.wanted("cloud", self.settings):
            self._publish_cloud(done, header)
        output_ms = (time.perf_counter() - start) * 1e3
        self._measure(done, age_ms, output_ms)
        if self._outputs.wanted("status", self.settings):
            status = frame_status(
                done,
                self._model_name,
                self.pipeline.segmented,
                self.dropped(),
                output_ms,
                age_ms,
                job.held,
                job.x_reason,
            )
            self._outputs.publish("status", status_message(status, header))

    def _publish_cloud(self, done: SegmentedFrame, header: Header) -> None:
        try:
            if self.rgb_info.newest is None:
                raise InputError(f"~/cloud waits for a calibration on {self.rgb_info.topic}.")
            moved = self.geometry.reprojection
            cloud = self._clouds(done, header, self.rgb_info.newest, moved)
        except InputError as err:
            self._refusal = (time.monotonic(), str(err))
            return
        self._outputs.publish("cloud", cloud)

    def _measure(self, done: SegmentedFrame, age_ms: float, output_ms: float) -> None:
        for stage, value in {**done.timings_ms, "output": output_ms}.items():
            if stage in self.stage_ms:
                self.stage_ms[stage].add(value)
        self.age_ms.add(age_ms)
        if done.frame.skew_ns is not None:
            self.skew_ms.add(abs(done.frame.skew_ns) / 1e6)
        if done.frame.x is not None and self.pipeline.segmented % DOUBT_EVERY == 1:
            self.doubt = doubt(done.frame.modality, done.frame.x)

    def _note_refusal(self, before: Mapping[str, int]) -> None:
        for reason, count in self.pipeline.refusals.counts.items():
            if count > before.get(reason, 0):
                self._refusal = (time.monotonic(), self.pipeline.refusals.first[reason])

    def refusal(self) -> str | None:
        """The sentence on a frame that was unusable within the last ten seconds."""
        x = self.inputs[-1]
        problems = [self._refusal, x.problem if isinstance(x, EventInput) else None]
        newest = max((p for p in problems if p is not None), default=None)
        if newest is None or time.monotonic() - newest[0] > REFUSAL_SHOWN_S:
            return None
        return newest[1]

    def dropped(self) -> dict[str, int]:
        """RGB images without a mask, by reason."""
        total = Counter(self.sync.pairing.rgb_dropped)
        for part in (self._set_aside, self.worker.dropped, self.pipeline.refusals.counts):
            total.update(dict(part))
        if self.worker.defects:
            total["unexpected_error"] += self.worker.defects
        return dict(total)

    def x_dropped(self) -> dict[str, int]:
        """Readings that were of no use, by reason."""
        x = self.inputs[-1]
        undecodable = x.undecodable if isinstance(x, EventInput) else 0
        known = {"undecodable_x_message": undecodable, **self.sync.pairing.x_dropped}
        return {reason: n for reason, n in known.items() if n}

    def x_state(self) -> str:
        """Of the second sensor, in a few words."""
        if self.settings.modality == "none":
            return "none asked for"
        if self.inputs[-1].count == 0:
            return "nothing has come yet"
        return "silent" if self.sync.pairing.x_silent(self._now_ns()) else "coming"
