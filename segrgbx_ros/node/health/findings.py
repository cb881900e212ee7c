# SPDX-License-Identifier: Apache-2.0
"""Problems of the running node, as sentences with a remedy.

One function per area; each depends only on the facts in Health.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segrgbx_core.doubts import LIVE_CLOCK, doubt_about_clock, seconds_in_words
from segrgbx_core.modality import NO_X
from segrgbx_ros.node.health.health import Health, InputHealth

ERROR, WARN, OK = "error", "warn", "ok"
GRACE_S = 3.0
SILENT_S = 2.0
LISTED = 6
MOST_SUPERSEDED = 0.5
LOST_SHARE = 0.1
_RAISE = (
    "let the driver publish reliably, raise the system's receive buffer (sysctl -w "
    "net.core.rmem_max=33554432, and the middleware's own setting), or use a compressed transport"
)


@dataclass(frozen=True)
class NodeFinding:
    """One problem and its remedy.

    area: inputs, pairing, model or outputs. key: stays the same while the problem is the same.
    level: ERROR, WARN or OK. words: the sentence.
    """

    area: str
    key: str
    level: str
    words: str


def findings(health: Health) -> list[NodeFinding]:
    """The current findings, most severe first."""
    current = [*_of_state(health)]
    if health.state == "active":
        for source in health.run.inputs:
            current += _of_input(source, health)
        current += _of_stamps(health.run.inputs)
        current += [*_of_pairing(health), *_of_frames(health), *_of_outputs(health)]
        current += _of_speed(health)
    current += _of_callbacks(health)
    order = (ERROR, WARN, OK)
    return sorted(current, key=lambda f: order.index(f.level))


def _of_state(health: Health) -> Iterator[NodeFinding]:
    name = health.node
    if health.failure is not None:
        yield NodeFinding("model", "failure", ERROR, health.failure)
    elif health.state == "unconfigured":
        yield NodeFinding(
            "model",
            "unconfigured",
            WARN,
            f"Not configured, so nothing is segmented: ros2 lifecycle set {name} configure "
            "(autostart is false, or the node was cleaned up).",
        )
    elif health.state == "inactive":
        yield NodeFinding(
            "model",
            "inactive",
            WARN,
            f"Not active, so nothing is segmented: ros2 lifecycle set {name} activate.",
        )
    if health.sim_time_missing:
        yield NodeFinding(
            "inputs",
            "no_clock",
            ERROR,
            "use_sim_time is true, but nothing has come on /clock: play the bag with --clock, "
            "start the simulator, or launch with use_sim_time:=false.",
        )
    if not health.run.enabled:
        yield NodeFinding(
            "model",
            "disabled",
            OK,
            f"Switched off: ros2 service call {name}/enable std_srvs/srv/SetBool "
            "'{data: true}' switches it on.",
        )


def _of_input(source: InputHealth, health: Health) -> Iterator[NodeFinding]:
    needed = source.name == "rgb" or health.missing_x == "drop"
    level = ERROR if needed else WARN
    silent = source.since_last_s is None or source.since_last_s > SILENT_S
    fitting = [node for node, kind in source.publishers if kind == source.type_name]
    if health.state_s > GRACE_S and silent:
        if source.incompatible:
            yield _incompatible(source, level)
        elif not source.publishers:
            yield NodeFinding(
                "inputs", f"{source.name}_no_publisher", level, _no_publisher(source)
            )
        elif not fitting:
            node, kind = source.publishers[0]
            yield NodeFinding(
                "inputs",
                f"{source.name}_other_type",
                level,
                f"{source.topic} is published by {node} as {kind}, but {source.type_name} is "
                f"expected there: set {source.transport}, or launch with another "
                f"{source.argument}.",
            )
        else:
            since = source.since_last_s
            last = "nothing has come yet" if since is None else f"nothing came for {since:.1f} s"
            yield NodeFinding(
                "inputs",
                f"{source.name}_silent",
                level,
                f"{fitting[0]} publishes {source.topic}, but {last}: check that the sensor runs "
                f"(ros2 topic hz {source.topic}){_fragments(source)}.",
            )
    elif source.incompatible:
        yield _incompatible(source, WARN)
    if not silent and source.lost_hz > LOST_SHARE * source.hz:
        yield NodeFinding(
            "inputs",
            f"{source.name}_lost",
            WARN,
            f"Of {source.topic}, {source.lost_hz:.1f} messages a second are lost on the way and "
            f"{source.hz:.1f} arrive: {_RAISE}.",
        )
    if source.given_up_hz:
        yield NodeFinding(
            "inputs",
            f"{source.name}_too_slow",
            WARN,
            f"This computer is too slow for {source.topic}: {source.given_up_hz:.3g} packets a "
            "second are given up, so that the others are in time: lower the camera's event rate "
            "(its bias or rate controller), or leave more of a core to this node.",
        )
    lag = None if silent else source.stamp_lag_s
    clock = None
    if lag is not None:
        clock = doubt_about_clock(source.topic, lag, LIVE_CLOCK)
    if clock is not None:
        yield NodeFinding("inputs", f"{source.name}_clock", WARN, clock)


def _of_stamps(inputs: Sequence[InputHealth]) -> Iterator[NodeFinding]:
    unstamped = [source for source in inputs if source.zero_stamps]
    if not unstamped:
        return
    messages = " and ".join(f"{s.zero_stamps} messages on {s.topic}" for s in unstamped)
    driver = "the driver stamp its" if len(unstamped) == 1 else "the drivers stamp their"
    yield NodeFinding(
        "inputs",
        "zero_stamps",
        ERROR,
        f"{messages} had a stamp of zero and cannot be paired: make {driver} images.",
    )


def _fragments(source: InputHealth) -> str:
    if source.reliable:
        return ""
    return (
        f"; large raw images hardly arrive best effort, for a fragment of each is lost: {_RAISE}"
    )


def _incompatible(source: InputHealth, level: str) -> NodeFinding:
    node, policy = source.incompatible[0]
    return NodeFinding(
        "inputs",
        f"{source.name}_qos",
        level,
        f"{node} publishes {source.topic}, but its QoS {policy} is incompatible with this node's, "
        f"so none of its messages arrive: leave out qos_overrides.{source.topic}.subscription."
        f"{policy}, which asks for more than that publisher gives.",
    )


def _no_publisher(source: InputHealth) -> str:
    if source.others:
        shown = ", ".join(source.others[:LISTED])
        more = len(source.others) - LISTED
        known = f"{shown} and {more} more" if more > 0 else shown
        hint = f"launch with {source.argument}:=NAME; topics of this type: {known}"
    else:
        hint = (
            "there is no topic of this type: start the driver, and check that both machines "
            "have the same ROS_DOMAIN_ID and see each other"
        )
    return f"Nobody publishes {source.topic} ({source.type_name}): {hint}."


def _of_pairing(health: Health) -> Iterator[NodeFinding]:
    if health.modality == NO_X or len(health.run.inputs) < 2:
        return
    both = all(source.hz > 0 for source in health.run.inputs)
    none_pairs = health.run.new_without_x and not health.run.new_paired
    if health.run.new_late > health.run.new_paired and health.run.late_s is not None:
        yield _late(health, health.run.late_s)
        return
    unstamped = any(source.zero_stamps for source in health.run.inputs)
    behind = any(source.given_up_hz for source in health.run.inputs)
    if not both or health.state_s < GRACE_S or not none_pairs or unstamped or behind:
        return
    apart = health.run.clock_apart_s
    if apart is not None and abs(apart) > max(health.slop_s, 0.02):
        rounded = round(health.x_time_offset_s - apart, 3)
        yield NodeFinding(
            "pairing",
            "clocks_apart",
            ERROR,
            f"RGB and {health.modality} arrive together, but the stamps of {health.modality} are "
            f"{seconds_in_words(abs(apart))} {'ahead' if apart > 0 else 'behind'}, so nothing "
            f"pairs: synchronise the two clocks, or set sync.x_time_offset to {rounded}.",
        )
    else:
        yield NodeFinding(
            "pairing",
            "no_pair",
            ERROR,
            f"RGB and {health.modality} both arrive, but no two stamps lie within sync.slop "
            f"{health.slop_s:g} s of each other: raise sync.slop, or use sync.policy approximate.",
        )


def _late(health: Health, late_s: float) -> NodeFinding:
    enough = math.ceil((late_s * 1.5 + 0.02) * 100) / 100
    return NodeFinding(
        "pairing",
        "late",
        ERROR,
        f"{health.modality} with the stamps of RGB images arrives {seconds_in_words(late_s)} "
        f"after them, later than sync.x_timeout {health.x_timeout_s:g} s, when they have been "
        f"given up: set sync.x_timeout to {enough:g} (masks will be older by that wait), or make "
        "the sensor's driver faster. If its clock is behind by that time, synchronise it instead.",
    )


def _of_frames(health: Health) -> Iterator[NodeFinding]:
    if health.run.refusal is not None:
        yield NodeFinding("model", "refusal", ERROR, health.run.refusal)
    if health.run.doubt is not None:
        yield NodeFinding("inputs", "doubt", WARN, health.run.doubt)
    if health.model is not None and health.model.defects:
        yield NodeFinding(
            "model",
            "defects",
            ERROR,
            f"{health.model.defects} frames ended with an unexpected error; the log has the "
            "trace: please report it.",
        )


def _of_callbacks(health: Health) -> Iterator[NodeFinding]:
    if health.callback_defects:
        yield NodeFinding(
            "model",
            "callback_defects",
            ERROR,
            f"{health.callback_defects} callbacks ended with an unexpected error, and the node "
            "went on; the log has the trace: please report it.",
        )


def _of_speed(health: Health) -> Iterator[NodeFinding]:
    given_up, made = health.run.new_superseded, health.run.new_segmented
    hz = 0.0 if health.outputs is None else health.outputs.hz
    # A rate takes two masks; before them any number to set would be wrong.
    known = given_up and hz and health.state_s >= GRACE_S
    if not known or given_up < MOST_SUPERSEDED * (given_up + made):
        return
    rate = f"{hz:.1f}" if hz >= 1 else f"{hz:.2g}"
    yield NodeFinding(
        "pairing",
        "superseded",
        WARN,
        f"{given_up / (given_up + made):.0%} of the pairs are given up for newer ones: this "
        f"computer makes {rate} masks a second of {health.run.pairs_hz:.1f} pairs. Masks are of "
        f"the newest pair all the same; to spare the rest, set max_rate to {rate} or "
        "lower the cameras' rate, and for more masks take a faster backend, a GPU or a smaller "
        "model.",
    )


def _of_outputs(health: Health) -> Iterator[NodeFinding]:
    outputs = health.outputs
    if outputs is None:
        return
    for output, node, policy in outputs.incompatible:
        yield NodeFinding(
            "outputs",
            f"output_qos_{output}_{node}",
            WARN,
            f"{node} subscribes to {output} with a QoS {policy} that is incompatible with this "
            "node's (reliable, volatile), so it receives nothing: change the subscriber's QoS.",
        )
    if health.state_s > GRACE_S and not any(outputs.subscribers.values()):
        yield NodeFinding(
            "outputs",
            "no_subscriber",
            WARN,
            f"Nobody subscribes to any output, so nothing is segmented: subscribe to "
            f"{outputs.mask_topic}, or look at it with rqt_image_view.",
        )
