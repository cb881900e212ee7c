# SPDX-License-Identifier: Apache-2.0
"""What a replay is asked to do, and what it tells on the way."""

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from segrgbx_core.errors import InputError
from segrgbx_core.modality import modality_named
from segrgbx_core.sensor import SensorOptions
from segrgbx_ros.bags.topics import TopicsTaken

RGB_ALONE = "none"


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay, and how.

    modality: a name of the modality table, or "none" for RGB alone. Topics that are None are
    found by type and name; gt_topic "none" leaves ground truth out. slop_s, x_time_offset_s:
    seconds. force: an output folder that holds files may be used. max_frames: stop after so many
    masks. label_set: for a model over a union, the one to answer in. sensor: how X is encoded and
    aligned. Raises InputError for a value out of range.
    """

    bag: Path
    modality: str
    out: Path
    rgb_topic: str | None = None
    x_topic: str | None = None
    gt_topic: str | None = None
    model: str | Path = "demo"
    slop_s: float = 0.03
    x_time_offset_s: float = 0.0
    device: str = "auto"
    precision: str = "auto"
    force: bool = False
    max_frames: int | None = None
    label_set: str | Path | None = None
    sensor: SensorOptions = field(default_factory=SensorOptions)

    def __post_init__(self) -> None:
        if self.modality != RGB_ALONE:
            modality_named(self.modality)
        elif self.x_topic is not None:
            raise InputError(
                f"Modality 'none' segments RGB alone, yet X topic {self.x_topic} was given; name "
                "its modality, or leave the topic out."
            )
        if not 0.0 <= self.slop_s <= 10.0:
            raise InputError(f"The slop is {self.slop_s} s; expected 0 to 10.")
        if not isfinite(self.x_time_offset_s):
            raise InputError(
                f"The X time offset is {self.x_time_offset_s} s; expected a finite number."
            )
        if self.max_frames is not None and self.max_frames < 1:
            raise InputError(f"The number of frames is {self.max_frames}; expected 1 or more.")


@dataclass(frozen=True)
class Progress:
    """How far a replay is; the first report comes before the first frame and tells the topics."""

    topics: TopicsTaken
    rgb_seen: int
    rgb_total: int
    segmented: int
