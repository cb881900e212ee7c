# SPDX-License-Identifier: Apache-2.0
"""The layouts in config/ against what Foxglove and RViz take: their panels, displays and keys.

The names are those of the sources: Lichtblick 1.28 (packages/suite-base/src/panels), which is
Foxglove's open predecessor, and RViz of Humble and Jazzy (rviz_common, rviz_default_plugins).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from segrgbx_core.errors import InputError
from segrgbx_core.files.yaml import read_json
from segrgbx_ros.messages.types import STATUS, typestore

LAYOUT_KEYS = {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"}
TITLES = ("foxglovePanelTitle", "lichtblickPanelTitle")
PANEL_KEYS = {
    "Image": {
        *("imageMode", "cameraState", "followMode", "followTf", "scene", "transforms"),
        *("topics", "layers", "publish"),
    },
    "Plot": {
        *("paths", "minXValue", "maxXValue", "minYValue", "maxYValue", "showLegend"),
        *("legendDisplay", "showPlotValuesInLegend", "showXAxisLabels", "showYAxisLabels"),
        *("isSynced", "xAxisVal", "xAxisPath", "xAxisLabel", "yAxisLabel"),
        *("followingViewWidth", "sidebarDimension"),
    },
    "RawMessages": {
        *("diffEnabled", "diffMethod", "diffTopicPath", "expansion"),
        *("showFullMessageForDiff", "topicPath", "fontSize"),
    },
    "DiagnosticSummary": {
        *("minLevel", "pinnedIds", "topicToRender", "hardwareIdFilter", "sortByLevel"),
        *("secondsUntilStale",),
    },
}
CHOICES = {
    "legendDisplay": {"floating", "top", "left", "none"},
    "xAxisVal": {"timestamp", "index", "custom", "currentCustom"},
    "followMode": {"follow-pose", "follow-position", "follow-none"},
    "diffMethod": {"custom", "previous message"},
}
CURVE_KEYS = {"value", "enabled", "color", "label", "timestampMethod", "showLine", "lineSize"}

TOPIC_KEYS = {
    *("Depth", "Durability Policy", "Filter size", "History Policy", "Reliability Policy"),
    "Value",
}
DISPLAY_KEYS = {
    "rviz_default_plugins/Image": {"Max Value", "Median window", "Min Value", "Normalize Range"},
    "rviz_default_plugins/PointCloud2": {
        *("Channel Name", "Color Transformer", "Size (Pixels)", "Size (m)", "Style", "Alpha"),
        *("Decay Time", "Position Transformer", "Selectable", "Use rainbow", "Invert Rainbow"),
    },
}
POLICIES = {
    "Durability Policy": {"System Default", "Volatile", "Transient Local"},
    "History Policy": {"System Default", "Keep Last", "Keep All"},
    "Reliability Policy": {"System Default", "Best Effort", "Reliable"},
}
RVIZ = ["segrgbx.rviz", "result.rviz"]
FOXGLOVE = ["segrgbx.json", "result.json"]


def leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
        return
    assert set(node) <= {"direction", "first", "second", "splitPercentage"}
    assert node["direction"] in ("row", "column")
    assert 0 < node.get("splitPercentage", 50) < 100
    for side in ("first", "second"):
        yield from leaves(node[side])


@pytest.mark.parametrize("name", FOXGLOVE)
def test_a_foxglove_layout_has_panels_and_keys_that_foxglove_knows(
    repository: Path, name: str
) -> None:
    layout: Any = read_json(repository / "config" / "foxglove" / name, InputError)
    assert set(layout) == LAYOUT_KEYS
    panels = layout["configById"]
    assert sorted(leaves(layout["layout"])) == sorted(panels)
    for panel, config in panels.items():
        kind, _, place = panel.partition("!")
        assert place, panel
        assert set(config) <= {*PANEL_KEYS[kind], *TITLES}, panel
        for key, known in CHOICES.items():
            assert config.get(key) in {None, *known}, panel


@pytest.mark.parametrize("name", FOXGLOVE)
def test_the_curves_of_a_layout_are_fields_of_the_status(repository: Path, name: str) -> None:
    layout: Any = read_json(repository / "config" / "foxglove" / name, InputError)
    fields = {field for field, _ in typestore().fielddefs[STATUS][1]}
    curves = [c for p in layout["configById"].values() for c in p.get("paths", [])]
    assert curves
    for curve in curves:
        assert set(curve) <= CURVE_KEYS
        assert curve["timestampMethod"] in ("receiveTime", "headerStamp")
        topic, _, field = curve["value"].partition(".")
        assert topic == "/segrgbx/status"
        assert field in fields


@pytest.mark.parametrize("name", RVIZ)
def test_an_rviz_config_has_displays_and_properties_that_rviz_knows(
    repository: Path, name: str
) -> None:
    config = yaml.safe_load((repository / "config" / "rviz" / name).read_text("utf-8"))
    manager, windows = config["Visualization Manager"], config["Window Geometry"]
    for display in manager["Displays"]:
        known = {"Class", "Name", "Enabled", "Value", "Topic", *DISPLAY_KEYS[display["Class"]]}
        assert set(display) <= known
        assert set(display["Topic"]) <= TOPIC_KEYS
        assert all(display["Topic"][key] in choices for key, choices in POLICIES.items())
        assert display["Enabled"] is display["Value"]
        # Each image has a window of its name; without its geometry it would be hidden by others.
        assert (display["Name"] in windows) is display["Class"].endswith("Image")


def test_the_layouts_for_a_result_show_all_of_its_pictures(repository: Path) -> None:
    pictures = {"/segrgbx/overlay", "/segrgbx/confidence"}
    pictures |= {f"/segrgbx/{name}/compressed" for name in ("rgb", "x")}
    layout: Any = read_json(repository / "config" / "foxglove" / "result.json", InputError)
    modes = [p["imageMode"] for p in layout["configById"].values() if "imageMode" in p]
    assert {mode["imageTopic"] for mode in modes} == pictures
    rviz = yaml.safe_load((repository / "config" / "rviz" / "result.rviz").read_text("utf-8"))
    assert {d["Topic"]["Value"] for d in rviz["Visualization Manager"]["Displays"]} == pictures
