# SPDX-License-Identifier: Apache-2.0
"""The live node under the soak: its process measured from outside, and faults of the cameras."""

import threading
import time
from collections import Counter

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from benchmarks.node_process import (
    MASK,
    UP_S,
    Bench,
    camera,
    node_command,
    process,
    wait_for_masks,
)
from benchmarks.soak import Endurance, Sample, sample, summed_up
from benchmarks.soak_faults import AFTER, BEFORE, DURING, Fault
from benchmarks.soak_feed import NS_PER_S, PLANS, Step
from segrgbx_ros.node.outputs import ros_image

SIZE = (160, 120)


class _Watch(threading.Thread):
    """Samples a process once a second until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._over = pid, threading.Event()
        self.samples: list[Sample] = []

    def run(self) -> None:
        start = time.monotonic()
        while not self._over.wait(1.0):
            self.samples.append(sample(self._pid, time.monotonic() - start))

    def stop(self) -> None:
        self._over.set()
        self.join()


def live(model: str, rate_hz: float, minutes: float) -> Endurance:
    """The node with a camera process at the rate; ages of the masks at their arrival."""
    with process(*node_command(model)) as child:
        wait_for_masks()
        watch = _Watch(child.pid)
        watch.start()
        seen = camera(SIZE, rate_hz, 60 * minutes, (MASK,))
        watch.stop()
    ages = seen["ages_ms"][MASK]
    return summed_up(f"node, model {model}", rate_hz, seen["sent"], ages, watch.samples)


class _Stream(Bench):
    """Sends what a plan says, and notes when masks come."""

    def __init__(self, rate_hz: float) -> None:
        super().__init__()
        self._period = 1.0 / rate_hz
        self.sent, self.came = 0, []
        self.lost: Counter[str] = Counter()
        self._still: Header | None = None
        width, height = SIZE
        rng = np.random.default_rng(0)
        self._rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
        self._x = rng.integers(0, 256, (height // 2, width // 2), np.uint8)
        self.listen()

    def _mask(self, message: Image) -> None:
        super()._mask(message)
        self.came.append(time.monotonic())

    def send(self, number: int, step: Step) -> None:
        """One period of the stream."""
        until = time.monotonic() + self._period
        for inner in range(step.repeat):
            now = self.node.get_clock().now().nanoseconds + round(step.shift_s * NS_PER_S)
            now -= round((step.repeat - 1 - inner) * self._period * NS_PER_S)
            header = Header(frame_id="soak")
            header.stamp.sec, header.stamp.nanosec = divmod(now, NS_PER_S)
            if step.still:
                header = self._still = self._still or header
            rgb = self._rgb if step.frozen else np.roll(self._rgb, number, axis=1)
            if step.x:
                self.publishers["x/image_raw"].publish(ros_image(self._x, "mono8", header))
            if step.rgb:
                self.sent += 1
                self.publishers["rgb/image_raw"].publish(ros_image(rgb, "rgb8", header))
        self.spin_until(lambda: time.monotonic() >= until, 10 * self._period)

    def dropped(self) -> dict[str, int]:
        """By reason, as the last status says."""
        if self.status is None:
            return {}
        reasons = zip(self.status.drop_reasons, self.status.drop_counts, strict=True)
        return {reason: int(n) for reason, n in reasons}


def in_live_stream(name: str, model: str, rate_hz: float) -> Fault:
    """A fault of the cameras before the live node."""
    what, plan = PLANS[name]
    stream = _Stream(rate_hz)
    with process(*node_command(model)):
        up = time.monotonic() + UP_S
        number = 0
        while len(stream.came) < BEFORE and time.monotonic() < up:
            stream.send(number, Step())
            number += 1
        sent, masks, lost = stream.sent, len(stream.came), stream.dropped()
        for k in range(DURING):
            stream.send(number + k, plan(k))
        during, over = len(stream.came) - masks, time.monotonic()
        for k in range(AFTER):
            stream.send(number + DURING + k, Step())
        back = next((1e3 * (at - over) for at in stream.came if at > over), None)
        gone = {r: n - lost.get(r, 0) for r, n in stream.dropped().items() if n > lost.get(r, 0)}
        fault = Fault(
            name, what, f"{during} masks in {DURING} periods of the fault",
            None if back is None else round(back, 1),
            stream.sent - sent, len(stream.came) - masks, gone,
        )  # fmt: skip
    stream.close()
    return fault
