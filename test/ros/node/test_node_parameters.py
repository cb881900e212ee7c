# SPDX-License-Identifier: Apache-2.0
"""Parameters on a genuine node: descriptors, changes while it runs, refusals."""

import sys
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from live_stage import MS, START_NS, rgb_message, stage, write_tiny_model, x_message

from segrgbx_core.errors import InputError
from segrgbx_ros.node.parameters.parameters import PARAMETERS

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


def set_one(node: Any, name: str, value: Any) -> Any:
    from rclpy.parameter import Parameter

    return node.set_parameters([Parameter(name, value=value)])[0]


def test_every_parameter_is_declared_as_specified() -> None:
    with stage(modality="", autostart=False) as played:
        for name, spec in PARAMETERS.items():
            told = played.node.describe_parameter(name)
            value = played.node.get_parameter(name).value
            assert told.read_only == (spec.fixed), name
            assert spec.text in told.description
            if spec.choices:
                assert all(choice in told.additional_constraints for choice in spec.choices)
            elif spec.bounded and isinstance(spec.default, float):
                (span,) = told.floating_point_range
                assert (span.from_value, span.to_value) == (spec.low, spec.high)
            elif spec.bounded and not isinstance(spec.default, bool):
                (whole,) = told.integer_range
                assert (whole.from_value, whole.to_value) == (spec.low, spec.high)
            if name not in ("modality", "warmup_iterations", "device", "autostart"):
                value = tuple(value) if isinstance(spec.default, tuple) else value
                assert value == spec.default or (spec.optional and isnan(value)), name
        own = {n for n in played.node._parameters if n in PARAMETERS}
        assert own == set(PARAMETERS)


def test_dynamic_parameters_take_effect(model: str) -> None:
    with stage(model=model) as played:
        played.listen("overlay", "mask")
        for topic, made in (
            ("rgb/image_raw", rgb_message(1)),
            ("x/image_raw", x_message(1)),
        ):
            played._publishers[topic] = played.driver.create_publisher(type(made), topic, 1)
        played.ready()
        assert set_one(played.node, "overlay_alpha", 0.0).successful
        assert set_one(played.node, "publish_mask", False).successful
        assert set_one(played.node, "sync.x_time_offset", -0.5).successful
        rgb = rgb_message(START_NS)
        played.publish("x/image_raw", x_message(START_NS + 500 * MS))
        played.publish("rgb/image_raw", rgb)
        assert played.spin_until(lambda: bool(played.heard["overlay"]))
        shown = np.frombuffer(played.heard["overlay"][0].data, np.uint8)
        assert (shown == np.frombuffer(rgb.data, np.uint8)).all()
        assert set_one(played.node, "max_rate", 1.0).successful
        run = played.node.run
        for number in (1, 2, 3):
            stamp = START_NS + number * 100 * MS
            played.publish("x/image_raw", x_message(stamp + 500 * MS))
            played.publish("rgb/image_raw", rgb_message(stamp))
            assert played.spin_until(lambda n=number: run.matching.counts.paired == 1 + n)
        assert run.dropped()["max_rate"] == 2
        assert played.spin_until(lambda: len(played.heard["overlay"]) == 2)
        assert played.heard["mask"] == []


def test_refusals_say_why(model: str) -> None:
    with stage(model=model, autostart=False) as played:
        for name, value, words in (
            ("missing_x", "wait", "drop, rgb_only, hold_last"),
            ("publish_cloud", True, "needs modality depth"),
            ("sync.slop", 11.0, ""),
            ("cameras", "front", "read-only"),
        ):
            answer = set_one(played.node, name, value)
            assert not answer.successful, name
            assert words in answer.reason
            assert answer.reason
        assert played.node.settings.missing_x == "drop"
        assert set_one(played.node, "missing_x", "rgb_only").successful
        assert played.node.settings.missing_x == "rgb_only"


@pytest.mark.parametrize(
    ("name", "value"),
    [("sync__slop", "a"), ("sync__slop", 99), ("sync__slop", 99.0), ("missing_x", "wait")],
)
def test_a_start_value_that_cannot_be_taken_is_named(name: str, value: Any) -> None:
    with (
        pytest.raises(InputError, match=name.replace("__", ".")),
        stage(autostart=False, **{name: value}),
    ):
        pass


def test_a_whole_number_is_taken_as_a_double(model: str) -> None:
    with stage(model=model, autostart=False, sync__slop=1) as played:
        assert played.node.settings.sync_slop == 1.0
        if not hasattr(played.node, "add_pre_set_parameters_callback"):
            pytest.skip("this rclpy cannot change a parameter before it is set (Humble)")
        assert set_one(played.node, "sync.slop", 2).successful
        assert played.node.settings.sync_slop == 2.0


def test_a_mistyped_start_value_is_named_with_the_nearest(
    model: str, capfd: pytest.CaptureFixture[str]
) -> None:
    told = {"sync__slopp": 0.5, "quality": 3, "qos_overrides__/a__depth": 1}
    with stage(model=model, autostart=False, **told):
        pass
    said = capfd.readouterr().err
    assert "Parameter sync.slopp is unknown and has no effect; is sync.slop meant?\n" in said
    assert "Parameter quality is unknown" in said
    assert "qos_overrides" not in said


def test_the_model_changes_without_a_restart(model: str, tmp_path: Path) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn

    done = TransitionCallbackReturn.SUCCESS
    other = str(write_tiny_model(tmp_path / "other", ("depth",)))
    with stage(model=model, autostart=False) as played:
        node = played.node
        assert node.trigger_configure() == done
        refused = set_one(node, "model", other)
        assert not refused.successful
        assert "ros2 lifecycle set /segrgbx deactivate, then cleanup" in refused.reason
        assert node.trigger_cleanup() == done
        assert set_one(node, "model", other).successful
        assert node.trigger_configure() != done
        assert "trained with depth, not with thermal" in node.failure
        assert set_one(node, "modality", "depth").successful
        assert node.trigger_configure() == done
        assert node.settings.modality == "depth"


def test_a_tiled_light_field_needs_its_rows(tmp_path: Path) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn

    model = str(write_tiny_model(tmp_path / "views", ("light_field",)))
    with stage(model=model, modality="light_field", autostart=False) as played:
        assert played.node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert "light_field.rows and light_field.columns are 0 and 0" in played.node.failure
    for told in (
        {"light_field__rows": 3, "light_field__columns": 3},
        {"x__settings": "rows=3; columns=3"},
    ):
        with stage(model=model, modality="light_field", autostart=False, **told) as played:
            assert played.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
