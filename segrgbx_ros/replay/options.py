# SPDX-License-Identifier: Apache-2.0
"""The options of a replay, and its progress."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, TypeAlias

from segrgbx_core.errors import InputError
from segrgbx_core.labels.images import LABEL_FORMS
from segrgbx_core.modality import NO_X, modality_named
from segrgbx_core.runs.folder import Setting
from segrgbx_core.sensor import CameraFiles, SensorSettings
from segrgbx_ros.bags.span import LogSpan
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
class TruthOptions:
    """Ground truth and conditions that are not on topics found by name.

    folder: label images named by stamps, instead of a topic; form: how they hold the classes, one
    of LABEL_FORMS. classes: a file that names the ids of the ground truth. conditions: a file of
    times; condition_topic: "none" leaves conditions out. rgb_alone: whether RGB alone is scored as
    well. Raises InputError for an unknown form.
    """

    folder: Path | None = None
    form: str = "numbers"
    classes: Path | None = None
    conditions: Path | None = None
    condition_topic: str | None = None
    rgb_alone: bool = True

    def __post_init__(self) -> None:
        if self.form not in LABEL_FORMS:
            raise InputError(
                f"Label images of form '{self.form}' are unknown; expected one of "
                f"{', '.join(LABEL_FORMS)}."
            )

    def files(self) -> list[Path]:
        """The files and folders that are read."""
        return [p for p in (self.folder, self.classes, self.conditions) if p is not None]


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
    time messages are paired; "log" is for recordings whose headers have no stamps. truth: ground
    truth from files, conditions, and whether RGB alone is scored. fit_slop: the slop follows from
    the rates of the two topics, instead of `sync`. files: further files to write. span: the slice
    of the recording to replay, None for all of it. masks: a recording of a live node's outputs,
    which are scored instead of segmenting. Raises InputError for a value out of range.
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
    truth: TruthOptions = field(default_factory=TruthOptions)
    fit_slop: bool = False
    files: FurtherFiles = field(default_factory=FurtherFiles)
    span: LogSpan | None = None
    masks: Path | None = None

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
        if self.truth.folder is not None and self.gt_topic not in (None, "none"):
            raise InputError(
                f"Ground truth was asked for from topic {self.gt_topic} and from folder "
                f"{self.truth.folder}; leave one of them out."
            )
        if self.masks is not None and self.resume:
            raise InputError(
                f"The masks of {self.masks} are scored from their start; leave out --resume, and "
                "add --force where the output folder holds files."
            )
        if self.max_frames is not None and self.max_frames < 1:
            raise InputError(f"The number of frames is {self.max_frames}; expected 1 or more.")

    @property
    def pairing(self) -> SyncSettings:
        """The pairing; every RGB image goes through where the masks are there already."""
        if self.masks is None:
            return self.sync
        return replace(self.sync, missing_x="rgb_only", x_timeout_s=None)


_NAMED = ("rgb_topic", "x_topic", "gt_topic", "max_frames", "stamps", "label_set", "masks")


def settings_of(options: ReplayOptions) -> dict[str, Setting]:
    """What was asked for by name, without what is at its default."""
    usual = ReplayOptions(options.bag, options.modality, options.out)
    nested = (
        ("sync.", options.sync, usual.sync),
        ("rgb.", options.rgb, usual.rgb),
        ("truth.", options.truth, usual.truth),
    )
    found: dict[str, Setting] = {}
    for name in _NAMED:
        _note(found, name, getattr(options, name), getattr(usual, name))
    for prefix, told, default in nested:
        for entry in fields(told):
            _note(found, prefix + entry.name, *(getattr(o, entry.name) for o in (told, default)))
    _note(found, "align", options.sensor.align, usual.sensor.align)
    pairs = (text.partition("=") for text in options.sensor.settings)
    return found | {f"x.{name}": value for name, _, value in pairs}


def _note(found: dict[str, Setting], name: str, value: object, usual: object) -> None:
    if value != usual:
        found[name] = value if isinstance(value, str | int | float) else str(value)


@dataclass(frozen=True)
class Progress:
    """Progress of a replay. The first report comes before the first frame and has the topics."""

    topics: TopicsTaken
    rgb_seen: int
    rgb_total: int
    segmented: int
