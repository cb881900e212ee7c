# SPDX-License-Identifier: Apache-2.0
"""The options of a replay, and its progress."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from segrgbx_core.errors import InputError
from segrgbx_core.modality import NO_X, modality_named
from segrgbx_core.sensor import CameraFiles, SensorSettings
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.encodings import RGB_PIXEL_BYTES
from segrgbx_ros.messages.rgb_words import RgbSettings
from segrgbx_ros.pairing.matching import SyncSettings

Stamps = Literal["header", "log"]
Stopping: TypeAlias = Callable[[], str | None]
"""Asked after each message: what stops the replay there, or None."""


def taken_stamp(stamps: Stamps, header_ns: int, log_time_ns: int) -> int:
    """The time of a message in nanoseconds: of its header, or of its recording."""
    return log_time_ns if stamps == "log" else header_ns


@dataclass(frozen=True)
class FurtherFiles:
    """What a replay writes beside masks and figures.

    images: RGB and X as pictures in the result bag. rrd: a Rerun recording. video: an MP4 file of
    video_of: "overlay", the classes over RGB, or "panels", the four-up picture.
    """

    images: bool = True
    rrd: Path | None = None
    video: Path | None = None
    video_of: Literal["overlay", "panels"] = "overlay"


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay, and how.

    modality: a name of the modality table, or "none" for RGB alone. Topics that are None are
    chosen by type and name; gt_topic "none" leaves ground truth out. sync: the pairing of X with
    RGB images. sensor: the encoding and alignment of X. cameras: calibration files, which take
    precedence over the recording. rgb: what the RGB messages do not say. force: the output folder
    may hold files. resume: go on with the interrupted replay there. max_frames: stop after this
    number of masks. label_set: for a model over a union, the one to answer in. stamps: by which
    time messages are paired; "log" is for recordings whose headers have no stamps. files: further
    files to write. Raises InputError for a value out of range.
    """

    bag: Path
    modality: str
    out: Path
    rgb_topic: str | None = None
    x_topic: str | None = None
    gt_topic: str | None = None
    model: str | Path = "demo"
    device: str = "auto"
    precision: str = "auto"
    backend: str = "auto"
    force: bool = False
    resume: bool = False
    max_frames: int | None = None
    label_set: str | Path | None = None
    sync: SyncSettings = field(default_factory=SyncSettings)
    sensor: SensorSettings = field(default_factory=SensorSettings)
    cameras: CameraFiles = field(default_factory=CameraFiles)
    rgb: RgbSettings = field(default_factory=RgbSettings)
    stamps: Stamps = "header"
    files: FurtherFiles = field(default_factory=FurtherFiles)

    def __post_init__(self) -> None:
        if self.modality != NO_X:
            modality_named(self.modality)
        elif self.x_topic is not None:
            raise InputError(
                f"Modality 'none' segments RGB alone, but X topic {self.x_topic} was given; name "
                "its modality, or leave the topic out."
            )
        if self.rgb.encoding and self.rgb.encoding not in RGB_PIXEL_BYTES:
            raise InputError(
                f"RGB encoding '{self.rgb.encoding}' is unknown; expected one of "
                f"{', '.join(RGB_PIXEL_BYTES)}."
            )
        if self.max_frames is not None and self.max_frames < 1:
            raise InputError(f"The number of frames is {self.max_frames}; expected 1 or more.")


@dataclass(frozen=True)
class Progress:
    """Progress of a replay. The first report comes before the first frame and has the topics."""

    topics: TopicsTaken
    rgb_seen: int
    rgb_total: int
    segmented: int
