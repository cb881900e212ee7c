# SPDX-License-Identifier: Apache-2.0
"""/diagnostics of a genuine node: its findings and its figures."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from live_stage import MS, START_NS, Stage, rgb_message, stage, write_tiny_model, x_message

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


class Listener:
    """The latest status of each area."""

    def __init__(self, played: Stage) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        self.areas: dict[str, Any] = {}
        self._played = played
        played.driver.create_subscription(DiagnosticArray, "/diagnostics", self._take, 10)

    def _take(self, array: Any) -> None:
        for status in array.status:
            self.areas[status.name.rpartition(": ")[2]] = status

    def message(self, area: str) -> str:
        return self.areas[area].message if area in self.areas else ""

    def values(self, area: str) -> dict[str, str]:
        return {v.key: v.value for v in self.areas[area].values}

    def wait_for(self, area: str, words: str, feed: Callable[[], None] | None = None) -> None:
        said = self._played.feed_until(lambda: words in self.message(area), feed or (lambda: None))
        assert said, f"{area} says: {self.message(area)}"


def publishers(played: Stage, qos: Any = 10) -> None:
    for topic, made in (("rgb/image_raw", rgb_message(1)), ("x/image_raw", x_message(1))):
        played._publishers[topic] = played.driver.create_publisher(type(made), topic, qos)


def feeder(played: Stage, x_ahead_ns: int = 0, stamped: bool = True) -> Callable[[], None]:
    clock = played.driver.get_clock()

    def feed() -> None:
        now = clock.now().nanoseconds if stamped else 0
        played.publish("x/image_raw", x_message(now + x_ahead_ns))
        played.publish("rgb/image_raw", rgb_message(now))

    return feed


def test_nobody_publishes_and_nobody_listens(model: str) -> None:
    with stage(model=model) as played:
        listener = Listener(played)
        listener.wait_for("inputs", "/rgb/image_raw (sensor_msgs/msg/Image)")
        assert listener.areas["inputs"].level == b"\x02"
        listener.wait_for("outputs", "Nobody subscribes")


def test_all_well_with_figures(model: str) -> None:
    with stage(model=model) as played:
        listener = Listener(played)
        played.listen("mask")
        publishers(played)
        played.ready()
        feed, sent = feeder(played), list[float]()

        def note_and_feed() -> None:
            sent.append(time.monotonic())
            feed()

        def all_well() -> bool:
            well = dict.fromkeys(("inputs", "pairing", "model", "outputs"), b"\x00")
            levels = {area: status.level for area, status in listener.areas.items()}
            # Findings begin three seconds after the activation.
            return levels == well and int(listener.values("outputs")["masks"]) > 40

        assert played.feed_until(all_well, note_and_feed), listener.areas
        inputs, model_values = listener.values("inputs"), listener.values("model")
        own_rate = (len(sent) - 1) / (sent[-1] - sent[0])
        assert float(inputs["rgb rate [Hz]"]) == pytest.approx(own_rate, rel=0.5)
        assert inputs["x state"] == "coming"
        assert model_values["model"] == "tiny"
        assert model_values["device"] == "cpu"
        assert float(model_values["model p50 [ms]"]) > 0
        assert float(listener.values("outputs")["age of masks p95 [ms]"]) > 0


def test_two_nodes_are_told_apart(model: str) -> None:
    with stage("front", model=model, autostart=False) as played:
        listener = Listener(played)
        listener.wait_for("model", "Not configured")
        assert listener.areas["model"].name == "front/segrgbx: model"
        assert listener.values("outputs")["counted since"] == "-"


def test_incompatible_qos_names_the_policy(model: str) -> None:
    from rclpy.qos import QoSProfile, QoSReliabilityPolicy

    override = {"qos_overrides./rgb/image_raw.subscription.reliability": "reliable"}
    with stage(model=model, **override) as played:
        listener = Listener(played)
        best_effort = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        publishers(played, best_effort)
        listener.wait_for("inputs", "QoS reliability is incompatible", feeder(played))
        assert "/driver publishes /rgb/image_raw" in listener.message("inputs")


def test_an_output_that_its_subscriber_cannot_receive(model: str) -> None:
    from segrgbx_ros.node.outputs import latched_qos

    with stage(model=model) as played:
        listener = Listener(played)
        publishers(played)
        played.listen("mask", qos=latched_qos())
        listener.wait_for("outputs", "QoS durability", feeder(played))


def test_zero_stamps_are_said_while_they_come(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from segrgbx_ros.node import subscription as subscriptions

    with stage(model=model) as played:
        listener = Listener(played)
        publishers(played)
        played.listen("mask")
        played.ready()
        feed = feeder(played, stamped=False)
        listener.wait_for("inputs", "messages on /x/image_raw had a stamp of zero", feed)
        assert listener.message("inputs").count("stamp of zero") == 1
        monkeypatch.setattr(subscriptions, "ZERO_STAMPS_SHOWN_S", 0.0)
        listener.wait_for("inputs", " Hz", feeder(played))


@pytest.mark.parametrize("policy", ["drop", "rgb_only"])
def test_clocks_apart_and_the_offset_heals_it(model: str, policy: str) -> None:
    from rclpy.parameter import Parameter

    with stage(model=model, missing_x=policy) as played:
        listener = Listener(played)
        publishers(played)
        played.listen("mask")
        played.ready()
        feed = feeder(played, x_ahead_ns=3_250 * MS)
        listener.wait_for("pairing", "the stamps of thermal are 3.2", feed)
        assert "sync.x_time_offset to -3.2" in listener.message("pairing")
        played.node.set_parameters([Parameter("sync.x_time_offset", value=-3.25)])
        listener.wait_for("pairing", "pairs a second", feed)
        assert played.spin_until(lambda: bool(played.heard["mask"]))


def test_late_x_is_told_from_clocks_apart_and_the_advice_heals_it(model: str) -> None:
    """X has RGB's stamps and comes 0.3 s after it."""
    from rclpy.parameter import Parameter

    with stage(model=model) as played:
        listener = Listener(played)
        publishers(played)
        played.listen("status")
        played.ready()
        clock, kept = played.driver.get_clock(), list[int]()

        def feed() -> None:
            kept.append(clock.now().nanoseconds)
            played.publish("rgb/image_raw", rgb_message(kept[-1]))
            if len(kept) > 3:
                played.publish("x/image_raw", x_message(kept[-4]))

        listener.wait_for("pairing", "later than sync.x_timeout 0.1 s", feed)
        assert "x_time_offset" not in listener.message("pairing")
        advised = re.search(r"set sync.x_timeout to ([0-9.]+) ", listener.message("pairing"))
        assert advised is not None
        played.node.set_parameters([Parameter("sync.x_timeout", value=float(advised[1]))])
        listener.wait_for("pairing", "pairs a second", feed)
        assert played.heard["status"][-1].skew_ms == 0.0


def test_wrong_size_of_x(model: str) -> None:
    with stage(model=model) as played:
        listener = Listener(played)
        publishers(played)
        played.listen("mask")
        played.ready()

        def feed() -> None:
            now = played.driver.get_clock().now().nanoseconds
            played.publish("x/image_raw", x_message(now, (24, 64)))
            played.publish("rgb/image_raw", rgb_message(now))

        listener.wait_for("model", "64x24", feed)
        assert "dropped: refused_by_segmenter" in listener.values("pairing")


def test_implausible_values(model: str) -> None:
    import numpy as np
    from live_stage import sixteen_bits

    with stage(model=model) as played:
        listener = Listener(played)
        publishers(played)
        played.listen("mask")
        played.ready()

        def feed() -> None:
            now = played.driver.get_clock().now().nanoseconds
            flat = np.full((24, 32), 7, np.uint16)
            played.publish("x/image_raw", sixteen_bits(flat, now))
            played.publish("rgb/image_raw", rgb_message(now))

        listener.wait_for("inputs", "7 everywhere", feed)


def test_sim_time_without_a_clock(model: str) -> None:
    with stage(model=model, use_sim_time=True) as played:
        Listener(played).wait_for("inputs", "on /clock")


def test_a_node_that_waits_for_a_transition_says_so(model: str) -> None:
    with stage(model=model, autostart=False) as played:
        listener = Listener(played)
        listener.wait_for("model", "ros2 lifecycle set /segrgbx configure")
        played.node.trigger_configure()
        listener.wait_for("model", "ros2 lifecycle set /segrgbx activate")


def test_findings_are_logged_once_and_when_they_are_over() -> None:
    from segrgbx_ros.node.health.diagnostics import ThrottledFindings
    from segrgbx_ros.node.health.findings import NodeFinding

    class Log(list[str]):
        def info(self, text: str) -> None:
            self.append(f"info {text}")

        def warning(self, text: str) -> None:
            self.append(f"warn {text}")

        def error(self, text: str) -> None:
            self.append(f"error {text}")

    now, log = [0.0], Log()
    told = ThrottledFindings(log, lambda: now[0])
    finding = NodeFinding("inputs", "k", "warn", "W.")
    for second in range(35):
        now[0] = float(second)
        told.tell([finding])
    told.tell([])
    assert log == ["warn W.", "warn W.", "info No longer: W."]


def test_bag_of_old_stamps_is_said(model: str) -> None:
    with stage(model=model) as played:
        listener = Listener(played)
        publishers(played)
        played.listen("mask")
        played.ready()
        numbers = iter(range(1000))

        def feed() -> None:
            stamp = START_NS + next(numbers) * 100 * MS
            played.publish("x/image_raw", x_message(stamp))
            played.publish("rgb/image_raw", rgb_message(stamp))

        listener.wait_for("inputs", "behind this machine's clock", feed)
        assert played.heard["mask"]
