# SPDX-License-Identifier: Apache-2.0
"""Publishes the node's health on /diagnostics, and logs its findings."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from diagnostic_updater import Updater
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from segrgbx_core.runs.figures import Spread
from segrgbx_core.wording import printable
from segrgbx_ros.node.health.findings import ERROR, OK, WARN, NodeFinding, findings
from segrgbx_ros.node.health.health import Health

REPEAT_S = 30.0
LEVELS = {OK: DiagnosticStatus.OK, WARN: DiagnosticStatus.WARN, ERROR: DiagnosticStatus.ERROR}
AREAS = ("inputs", "pairing", "model", "outputs")


class NamedUpdater(Updater):  # type: ignore[misc]
    """Names each status after the node with its namespace, so that several can be told apart."""

    def publish(self, statuses: Any) -> None:
        """Publishes one or several statuses."""
        listed = statuses if isinstance(statuses, list) else [statuses]
        array = DiagnosticArray()
        array.header.stamp = self.node.get_clock().now().to_msg()
        name = self.node.get_fully_qualified_name().lstrip("/")
        for own in listed:
            array.status.append(
                DiagnosticStatus(
                    level=own.level,
                    name=f"{name}: {own.name}",
                    message=own.message,
                    hardware_id=own.hardware_id,
                    values=own.values,
                )
            )
        self.publisher.publish(array)


class Diagnostics:
    """Updates once per second, on a steady clock: it also runs while simulated time rests."""

    def __init__(self, node: Node, report: Callable[[], Health]) -> None:
        self._report = report
        self._updater = NamedUpdater(node)
        self._updater.setHardwareID("none")
        for area in AREAS:
            self._updater.add(area, lambda stat, area=area: self._fill(stat, area))
        self._updater.timer.cancel()
        self._timer = node.create_timer(
            self._updater.period, self.update, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._log = ThrottledFindings(node.get_logger())
        self._health: Health | None = None
        self._findings: list[NodeFinding] = []

    def update(self) -> None:
        """Publishes and logs the current findings."""
        health = self._report()
        self._health, self._findings = health, findings(health)
        if health.model is not None:
            self._updater.setHardwareID(health.model.device)
        self._updater.update()
        self._log.tell(self._findings)

    def _fill(self, stat: Any, area: str) -> Any:
        health = self._health
        if health is None:
            stat.summary(DiagnosticStatus.OK, "starting up")
            return stat
        own = [f for f in self._findings if f.area == area]
        level = max((LEVELS[f.level] for f in own), default=DiagnosticStatus.OK)
        words = " ".join(f.words for f in own) or _all_well(health, area)
        stat.summary(level, printable(words))
        for key, value in _VALUES[area](health).items():
            stat.add(printable(key), printable(value))
        return stat


class ThrottledFindings:
    """Logs each finding when it appears, again every 30 s while it persists, and when it ends."""

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._clock = logger, clock
        self._said: dict[str, tuple[float, str]] = {}

    def tell(self, current: list[NodeFinding]) -> None:
        """Logs the current findings as needed."""
        now = self._clock()
        keys = {f.key for f in current}
        for finding in current:
            last = self._said.get(finding.key)
            if last is not None and now - last[0] < REPEAT_S:
                continue
            words = printable(finding.words)
            self._said[finding.key] = (now, words)
            self._say(finding.level, words)
        for key in [k for k in self._said if k not in keys]:
            _, words = self._said.pop(key)
            self._logger.info(f"No longer: {words}")

    def _say(self, level: str, words: str) -> None:
        if level == ERROR:
            self._logger.error(words)
        elif level == WARN:
            self._logger.warning(words)
        else:
            self._logger.info(words)


def _all_well(health: Health, area: str) -> str:
    if health.state != "active":
        return health.state
    if area == "outputs" and health.outputs is not None:
        return f"{health.outputs.hz:.1f} masks a second"
    if area == "pairing":
        return f"{health.run.pairs_hz:.1f} pairs a second"
    if area == "inputs":
        return ", ".join(f"{s.name} {s.hz:.1f} Hz" for s in health.run.inputs)
    return "running"


def _inputs(health: Health) -> dict[str, str]:
    values: dict[str, str] = {}
    for source in health.run.inputs:
        values[f"{source.name} topic"] = source.topic
        values[f"{source.name} rate [Hz]"] = f"{source.hz:.2f}"
        values[f"{source.name} messages"] = str(source.count)
        values[f"{source.name} publishers"] = str(len(source.publishers))
        values[f"{source.name} asked for"] = "reliable" if source.reliable else "best effort"
        values[f"{source.name} lost"] = str(source.lost)
        lag = source.stamp_lag_s
        values[f"{source.name} arrival minus stamp [s]"] = "-" if lag is None else f"{lag:.3f}"
    values["x state"] = health.run.x_state
    return values


def _pairing(health: Health) -> dict[str, str]:
    values = {
        "pairs [Hz]": f"{health.run.pairs_hz:.2f}",
        **_spread("skew", health.run.skew_ms),
        "time jumps": str(health.run.restarts),
        "counted since": _since(health),
    }
    values.update({f"dropped: {r}": str(n) for r, n in sorted(health.run.drops.items())})
    values.update({f"x dropped: {r}": str(n) for r, n in sorted(health.run.x_drops.items())})
    return values


def _model(health: Health) -> dict[str, str]:
    values = {"state": health.state, "modality": health.modality}
    if health.model is not None:
        memory = health.model.memory_bytes
        values["model"] = health.model.name
        values["device"] = health.model.device
        values["precision"] = health.model.precision
        values["backend"] = health.model.backend
        if health.model.limits is not None:
            values["limits"] = health.model.limits
        values["device memory [MB]"] = "-" if memory is None else f"{memory / 1e6:.0f}"
    for stage, spread in health.run.stage_ms.items():
        values.update(_spread(stage, spread))
    return values


def _outputs(health: Health) -> dict[str, str]:
    values = {
        "masks": str(health.run.frames_segmented),
        "counted since": _since(health),
        **_spread("age of masks", health.run.age_ms),
    }
    if health.outputs is not None:
        values["masks [Hz]"] = f"{health.outputs.hz:.2f}"
        for name, count in health.outputs.subscribers.items():
            values[f"subscribers of {name}"] = str(count)
    return values


def _since(health: Health) -> str:
    """When the counters began: the activation, in local time."""
    if health.state != "active":
        return "-"
    began = datetime.now().astimezone() - timedelta(seconds=health.state_s)
    return began.isoformat(timespec="seconds")


def _spread(name: str, spread: Spread | None) -> dict[str, str]:
    if spread is None:
        return {}
    return {f"{name} p50 [ms]": f"{spread.p50:.1f}", f"{name} p95 [ms]": f"{spread.p95:.1f}"}


_VALUES: Mapping[str, Callable[[Health], dict[str, str]]] = {
    "inputs": _inputs,
    "pairing": _pairing,
    "model": _model,
    "outputs": _outputs,
}
