# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: specification, dataclass, documentation and shipped files agree."""

from dataclasses import fields
from math import inf, isfinite, isnan, nan
from pathlib import Path
from typing import Any

import pytest
import yaml

from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES
from segrgbx_core.sensor import check_sensor
from segrgbx_ros.messages.sensors import SENSORS
from segrgbx_ros.node.parameters import sensor
from segrgbx_ros.node.parameters.parameter_spec import Parameter, Value
from segrgbx_ros.node.parameters.parameters import (
    PARAMETERS,
    NodeSettings,
    attribute,
    settings_from,
)
from segrgbx_ros.node.parameters.sensor import sensor_settings


def test_every_field_is_a_parameter_of_its_name_and_default() -> None:
    assert [f.name for f in fields(NodeSettings)] == [attribute(name) for name in PARAMETERS]
    made = NodeSettings()
    for name, spec in PARAMETERS.items():
        value = getattr(made, attribute(name))
        assert type(value) is type(spec.default)
        assert value == spec.default or spec.optional
        assert spec.refusal(value) is None
        assert spec.text
        assert spec.text[-1] not in ".;"


def parameter_table() -> str:
    lines = [
        "| parameter | type | default | accepts | when | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for spec in PARAMETERS.values():
        lines.append(
            f"| `{spec.name}` | {spec.kind} | {_shown(spec.default)} | {_accepts(spec)} "
            f"| {spec.when} | {spec.text} |"
        )
    return "\n".join(lines) + "\n"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{v:g}" for v in value) + "]"
    if isinstance(value, float):
        return "NaN" if isnan(value) else f"{value!r}"
    return str(value) or '""'


def _accepts(spec: Parameter) -> str:
    if spec.choices:
        return spec.choice_words
    if isfinite(spec.low):
        return spec.range_words
    return spec.unit


def test_the_documentation_holds_the_table(repository: Path) -> None:
    text = (repository / "docs" / "node.md").read_text("utf-8")
    assert parameter_table() in text, (
        f"docs/node.md has an old table; put in this one:\n{parameter_table()}"
    )


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_shipped_files_name_known_parameters(repository: Path, modality: str) -> None:
    text = (repository / "config" / f"{modality}.yaml").read_text("utf-8")
    told = yaml.safe_load(text)["/**"]["ros__parameters"]
    settings = settings_from(told)
    assert settings.modality == modality
    check_sensor(modality, sensor_settings(settings))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sync.slop": 11.0}, "Parameter sync.slop is 11.0; expected 0 to 10 s."),
        ({"sync.slop": inf}, "expected 0 to 10 s"),
        ({"sync.slop": nan}, "expected 0 to 10 s"),
        ({"sync.slop": 1}, "expected a double: write 1.0."),
        ({"missing_x": "wait"}, "expected one of drop, rgb_only, hold_last"),
        ({"publish_mask": 1}, "expected a bool"),
        ({"x.clip_min": 3.0}, "set both or none"),
        ({"x.clip_min": 3.0, "x.clip_max": 2.0}, "not below x.clip_max"),
        ({"x.homography": (1.0, 2.0)}, "expected 9"),
        ({"publish_cloud": True, "modality": "thermal"}, "needs modality depth"),
        ({"sync.slopp": 1.0}, "is unknown"),
    ],
)
def test_refusals_say_why(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=r".") as caught:
        settings_from(values)
    assert words in str(caught.value)


def test_not_set_is_not_a_number() -> None:
    assert PARAMETERS["x.scale"].refusal(nan) is None
    assert PARAMETERS["x.scale"].refusal(2.0) is None
    assert PARAMETERS["x.scale"].refusal(inf) is not None


def encoding_settings(told: dict[str, object]) -> Any:
    return sensor.encoding_settings(settings_from(told))


def test_parameters_reach_the_encoding() -> None:
    told = {"modality": "thermal", "x.clip_min": 10.0, "x.clip_max": 40.0}
    made = encoding_settings({**told, "x.settings": "unit=centikelvin; offset=0"})
    assert (made.clip_min, made.clip_max, made.unit) == (10.0, 40.0, "centikelvin")
    depth = encoding_settings({"modality": "depth", "x.clip_min": 0.5, "x.clip_max": 20.0})
    assert (depth.near_m, depth.far_m) == (0.5, 20.0)
    views = encoding_settings(
        {"modality": "light_field", "light_field.rows": 5, "light_field.columns": 7}
    )
    assert (views.rows, views.columns) == (5, 7)


def test_zero_is_a_value_and_no_missing_one() -> None:
    told = {"modality": "thermal", "x.invalid": 0.0, "x.clip_min": 0.0, "x.clip_max": 40.0}
    made = encoding_settings(told)
    assert (made.invalid, made.clip_min, made.clip_max) == (0.0, 0.0, 40.0)


def test_incomplete_event_windows_are_taken_where_told() -> None:
    for told in (False, True):
        made = encoding_settings(
            {
                "modality": "event",
                "event.use_incomplete": told,
                "event.representation": "voxel_grid",
            }
        )
        assert made.use_incomplete is told


def test_a_parameter_of_another_modality_is_refused() -> None:
    with pytest.raises(InputError, match=r"x\.scale is 2\.0, but modality 'polarization'"):
        encoding_settings({"modality": "polarization", "x.scale": 2.0})


def test_settings_left_from_another_modality_are_named() -> None:
    left = {"modality": "depth", "x.settings": "unit=raw"}
    with pytest.raises(InputError, match=r"Parameter x.settings is 'unit=raw': Depth unit 'raw'"):
        encoding_settings(left)
    sound = {**left, "x.settings": "unit=mm", "x.clip_min": -1.0, "x.clip_max": 5.0}
    with pytest.raises(InputError, match=r"near_m is -1\.0") as refused:
        encoding_settings(sound)
    assert "x.settings" not in str(refused.value)


def test_named_parameters_exist() -> None:
    assert {name for row in SENSORS.values() for name in row.parameters} <= set(PARAMETERS)
