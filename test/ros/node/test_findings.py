# SPDX-License-Identifier: Apache-2.0
"""The findings of the node for each common fault."""

from dataclasses import fields, replace
from typing import Any

import pytest

from segrgbx_ros.node.health.findings import NodeFinding, findings
from segrgbx_ros.node.health.health import (
    BurstRate,
    Health,
    InputHealth,
    OutputHealth,
    Rate,
    Recent,
    RunHealth,
)

IMAGE = "sensor_msgs/msg/Image"
RUN_FIELDS = {f.name for f in fields(RunHealth)}


def source(name: str, **changed: Any) -> InputHealth:
    made = InputHealth(
        name=name,
        topic=f"/{name}/image_raw",
        type_name=IMAGE,
        argument=f"{name}_topic",
        transport=f"{name}_transport",
        hz=10.0,
        count=100,
        since_last_s=0.1,
        publishers=[("/camera", IMAGE)],
        incompatible=[],
        others=[],
        reliable=False,
        lost=0,
        lost_hz=0.0,
        given_up_hz=0.0,
        stamp_lag_s=0.01,
        zero_stamps=0,
    )
    return replace(made, **changed)


def health(**changed: Any) -> Health:
    """Health of a node without faults, with changes to it or its run."""
    run = RunHealth(
        inputs=[source("rgb"), source("x")], pairs_hz=10.0, new_paired=50, x_state="coming"
    )
    made = Health(
        node="/segrgbx",
        state="active",
        state_s=10.0,
        modality="thermal",
        missing_x="drop",
        slop_s=0.03,
        x_time_offset_s=0.0,
        x_timeout_s=0.1,
        sim_time_missing=False,
        failure=None,
        outputs=OutputHealth("/segrgbx/mask", {"mask": 1}, [], 10.0),
        model=None,
        run=replace(run, **{k: v for k, v in changed.items() if k in RUN_FIELDS}),
    )
    return replace(made, **{k: v for k, v in changed.items() if k not in RUN_FIELDS})


def apart(seconds: float) -> list[InputHealth]:
    """Both inputs, with X's stamps ahead of RGB's by this time."""
    return [
        source("rgb", stamp_lag_s=0.5 + seconds / 2),
        source("x", stamp_lag_s=0.5 - seconds / 2),
    ]


def said(**changed: Any) -> list[NodeFinding]:
    return findings(health(**changed))


def test_all_well_says_nothing() -> None:
    assert said() == []
    # A pair in five is given up; a message in twenty is lost.
    assert said(new_superseded=10, new_segmented=40) == []
    assert said(inputs=[source("rgb", lost=9, lost_hz=0.5), source("x")]) == []


def test_a_slow_model_says_what_this_computer_sustains() -> None:
    (finding,) = said(
        new_superseded=120,
        new_segmented=30,
        pairs_hz=30.0,
        outputs=OutputHealth("/segrgbx/mask", {"mask": 1}, [], 6.0),
    )
    assert (finding.area, finding.level) == ("pairing", "warn")
    assert "80% of the pairs" in finding.words
    assert "6.0 masks a second of 30.0 pairs" in finding.words
    assert "set max_rate to 6.0" in finding.words


def test_no_rate_is_advised_before_one_is_known() -> None:
    first = OutputHealth("/segrgbx/mask", {"mask": 1}, [], 0.0)
    assert said(new_superseded=12, new_segmented=1, pairs_hz=5.0, outputs=first) == []
    # A mask in 12 s: none came in the last seconds, which is no reason to be silent.
    rare = OutputHealth("/segrgbx/mask", {"mask": 1}, [], 1 / 12)
    (finding,) = said(new_superseded=25, new_segmented=0, pairs_hz=5.0, outputs=rare)
    assert "makes 0.083 masks a second of 5.0 pairs" in finding.words
    assert "set max_rate to 0.083 or" in finding.words


def test_lost_messages_are_counted_and_say_what_to_raise() -> None:
    (finding,) = said(inputs=[source("rgb", lost=90, lost_hz=9.0), source("x")])
    assert finding.level == "warn"
    assert "/rgb/image_raw, 9.0 messages a second are lost on the way and 10.0" in finding.words
    assert "net.core.rmem_max" in finding.words


@pytest.mark.parametrize(("reliable", "hinted"), [(True, False), (False, True)])
def test_silence_of_a_publisher_may_be_lost_fragments(reliable: bool, hinted: bool) -> None:
    silent = source("rgb", since_last_s=None, hz=0.0, reliable=reliable)
    (finding,) = said(inputs=[silent, source("x")])
    assert "nothing has come yet: check that the sensor runs" in finding.words
    assert ("net.core.rmem_max" in finding.words) == hinted


def test_callbacks_that_failed_are_said_in_any_state() -> None:
    for state in ("active", "inactive"):
        words = [f.words for f in said(callback_defects=3, state=state)]
        assert any(w.startswith("3 callbacks ended with an unexpected error") for w in words)


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        (
            {"publishers": [], "since_last_s": None, "others": ["/cam/a", "/cam/b"]},
            "error",
            "rgb_topic:=NAME; topics of this type: /cam/a, /cam/b.",
        ),
        ({"publishers": [], "since_last_s": None}, "error", "ROS_DOMAIN_ID"),
        (
            {
                "publishers": [("/cam", "sensor_msgs/msg/CompressedImage")],
                "since_last_s": None,
            },
            "error",
            "/cam as sensor_msgs/msg/CompressedImage, but sensor_msgs/msg/Image",
        ),
        (
            {"incompatible": [("/camera", "reliability")], "since_last_s": None},
            "error",
            "QoS reliability is incompatible",
        ),
        ({"since_last_s": 4.2}, "error", "nothing came for 4.2 s"),
        ({"zero_stamps": 3}, "error", "3 messages on /rgb/image_raw"),
        ({"stamp_lag_s": 7.25}, "warn", "7.250 s behind"),
        ({"stamp_lag_s": -100 * 86400.0}, "warn", "100 days ahead of"),
    ],
)
def test_inputs(changed: dict[str, Any], level: str, words: str) -> None:
    (finding,) = said(inputs=[source("rgb", **changed), source("x")])
    assert finding.level == level
    assert words in finding.words


def test_a_missing_x_is_a_warning_where_it_may_be_missing() -> None:
    gone = source("x", publishers=[], since_last_s=None)
    assert said(inputs=[source("rgb"), gone])[0].level == "error"
    assert said(inputs=[source("rgb"), gone], missing_x="rgb_only")[0].level == "warn"


def test_clocks_apart_by_how_much_and_the_offset_to_set() -> None:
    (finding,) = said(inputs=apart(3.25), new_paired=0, new_without_x=10, x_time_offset_s=0.0)
    assert "3.250 s ahead" in finding.words
    assert "set sync.x_time_offset to -3.25." in finding.words


def test_clocks_apart_are_said_whatever_missing_x_makes_of_them() -> None:
    (finding,) = said(
        inputs=apart(-2.0), missing_x="rgb_only", pairs_hz=10.0, new_paired=0, new_without_x=50
    )
    assert "2.000 s behind" in finding.words
    assert said(inputs=apart(0.01), new_paired=3, new_without_x=47) == []


def test_late_is_not_offset() -> None:
    """X with RGB's own stamps, 0.3 s late: another offset would pair wrong frames."""
    (finding,) = said(inputs=apart(-0.3), new_paired=0, new_without_x=50, new_late=50, late_s=0.3)
    assert finding.key == "late"
    assert "arrives 0.300 s after them, later than sync.x_timeout 0.1 s" in finding.words
    assert "set sync.x_timeout to 0.47 " in finding.words
    assert "x_time_offset" not in finding.words
    assert said(new_paired=49, new_without_x=1, new_late=1, late_s=0.12) == []


def test_zero_stamps_are_one_sentence() -> None:
    (finding,) = said(
        inputs=[source("rgb"), source("x", zero_stamps=50)], new_paired=0, new_without_x=50
    )
    assert "50 messages on /x/image_raw had a stamp of zero" in finding.words
    assert "make the driver stamp its images" in finding.words
    both = [source("rgb", zero_stamps=40), source("x", zero_stamps=50)]
    (finding,) = said(inputs=both, new_paired=0, new_without_x=50)
    assert "40 messages on /rgb/image_raw and 50 messages on /x/image_raw had" in finding.words


def test_a_computer_too_slow_for_the_events_is_no_clock_offset() -> None:
    behind = replace(apart(-4.0)[1], given_up_hz=120.0)
    (finding,) = said(inputs=[apart(-4.0)[0], behind], new_paired=0, new_without_x=50)
    assert "too slow for /x/image_raw: 120 packets a second are given up" in finding.words


def test_the_estimate_of_a_lag_follows_a_step_within_two_seconds() -> None:
    now = [0.0]
    lag = Recent(2.0, lambda: now[0])
    for tenth in range(300):
        now[0] = tenth / 10
        lag.add(0.05)
    for tenth in range(300, 312):
        now[0] = tenth / 10
        lag.add(3.25)
    spread = lag.spread()
    assert spread is not None
    assert spread.p50 == 3.25
    now[0] += 60.0
    assert lag.spread() is not None


def test_stamps_beyond_the_slop() -> None:
    (finding,) = said(new_paired=0, new_without_x=10)
    assert "within sync.slop 0.03 s" in finding.words


def test_outputs() -> None:
    nobody = OutputHealth("/segrgbx/mask", {"mask": 0}, [], 0.0)
    (finding,) = said(outputs=nobody)
    assert "Nobody subscribes" in finding.words
    deaf = OutputHealth("/segrgbx/mask", {"mask": 1}, [("mask", "/nav", "durability")], 1.0)
    (finding,) = said(outputs=deaf)
    assert "/nav subscribes to mask" in finding.words
    assert "QoS durability" in finding.words


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": "unconfigured"}, "/segrgbx configure"),
        ({"state": "inactive"}, "/segrgbx activate"),
        ({"state": "unconfigured", "failure": "Cannot configure: why"}, "Cannot configure: why"),
        ({"sim_time_missing": True}, "on /clock"),
        ({"enabled": False}, "Switched off"),
        ({"refusal": "An image is cut short."}, "cut short"),
        ({"doubt": "The thermal images are 0 everywhere."}, "0 everywhere"),
    ],
)
def test_state_and_frames(changed: dict[str, Any], words: str) -> None:
    assert words in said(**changed)[0].words


def test_worst_comes_first() -> None:
    rgb = source("rgb", zero_stamps=1, stamp_lag_s=9.0)
    assert [f.level for f in said(inputs=[rgb, source("x")])] == ["error", "warn"]


def test_a_burst_of_losses_is_spread_over_its_window() -> None:
    now = [0.0]
    rate = BurstRate(lambda: now[0])
    assert rate.hz() == 0.0
    rate.add(5)
    rate.add(0)
    assert rate.hz() == 1.0
    now[0] = 4.0
    rate.add(10)
    assert rate.hz() == 3.0
    now[0] = 6.0
    assert rate.hz() == 2.0
    now[0] = 9.5
    assert rate.hz() == 0.0


def test_rate_and_percentiles() -> None:
    now = [0.0]
    rate = Rate(lambda: now[0])
    assert (rate.hz(), rate.since_last_s()) == (0.0, None)
    for i in range(31):
        now[0] = i * 0.1
        rate.mark()
    assert rate.hz() == pytest.approx(10.0)
    now[0] += 6.0
    assert rate.hz() == 0.0
    assert rate.since_last_s() == pytest.approx(6.0)
    slow = Rate(lambda: now[0])
    slow.mark()
    now[0] += 8.0
    assert slow.hz() == 0.0
    slow.mark()
    now[0] += 16.0
    assert slow.hz() == pytest.approx(1 / 8)
    now[0] += 1.0
    assert slow.hz() == 0.0
    recent = Recent()
    assert recent.spread() is None
    for value in (*range(101), float("nan")):
        recent.add(float(value))
    spread = recent.spread()
    assert spread is not None
    assert (spread.p50, spread.p95, spread.max) == (50.0, 95.0, 100.0)
