# SPDX-License-Identifier: Apache-2.0
"""The shipped Foxglove layout for a result bag, with the topics and classes of one replay."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segrgbx_core.errors import InputError
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.resources import share_dir
from segrgbx_core.files.yaml import read_json
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.wording import spoken
from segrgbx_ros.pipeline import SegmentedFrame
from segrgbx_ros.replay.output import FrameContext

SHIPPED = Path("config", "foxglove", "result.json")
_SHARES = "Plot!shares"


class FoxgloveLayout:
    """See FrameOutput; written with the first frame.

    images: the topic of each of "rgb" and "x", None to leave its panel out.
    """

    def __init__(self, path: Path, label_set: LabelSet, images: Mapping[str, str | None]) -> None:
        self._path, self._label_set, self._images = path, label_set, images

    def write(self, index: int, done: SegmentedFrame, context: FrameContext) -> None:  # noqa: ARG002
        """See FrameOutput."""
        if index == 0:
            made = layout_for(self._label_set, self._images)
            write_whole(self._path, (json.dumps(made, indent=2) + "\n").encode())

    def close(self, whole: bool) -> None:
        """See FrameOutput."""


def layout_for(label_set: LabelSet, images: Mapping[str, str | None]) -> dict[str, object]:
    """The shipped layout with these image topics, and a curve for the share of each class."""
    layout: Any = read_json(share_dir() / SHIPPED, InputError)
    panels = layout["configById"]
    for name, topic in images.items():
        panel = f"Image!{name}"
        if topic is None:
            del panels[panel]
            layout["layout"] = _without(layout["layout"], panel)
        else:
            panels[panel]["imageMode"]["imageTopic"] = topic
    panels[_SHARES]["paths"] += [
        {
            "value": f"/segrgbx/status.class_fractions[{i}]",
            "enabled": True,
            "timestampMethod": "headerStamp",
            "label": spoken(c.name),
            "color": "#{:02x}{:02x}{:02x}".format(*c.color),
        }
        for i, c in enumerate(label_set.classes)
    ]
    made: dict[str, object] = layout
    return made


def _without(node: Any, panel: str) -> Any:
    """The tree of panels without one: the other side of its split takes its place."""
    if isinstance(node, str):
        return node
    for side, other in (("first", "second"), ("second", "first")):
        if node[side] == panel:
            return node[other]
    sides = {side: _without(node[side], panel) for side in ("first", "second")}
    return {**node, **sides}
