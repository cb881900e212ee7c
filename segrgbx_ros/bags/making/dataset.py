# SPDX-License-Identifier: Apache-2.0
"""Writes the samples of a labelled dataset as a recording, as if two cameras had seen them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from segrgbx_core.datasets.samples import LabelledPairs, Sample
from segrgbx_core.encoding import EncodingSettings, encoding_of
from segrgbx_core.encoding.settings_text import settings_as_text
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import Events, Planes
from segrgbx_core.stopping import StoppedError
from segrgbx_ros.bags.making.captures import RgbWriter, XWriter
from segrgbx_ros.bags.making.stream import InOrder
from segrgbx_ros.bags.making.timing import SampleTimes, TimingSettings
from segrgbx_ros.bags.making.truth import TruthWriter
from segrgbx_ros.bags.making.windows import WindowWriter
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.sensors import is_windowed

FRAME_ID = "rgb_optical_frame"
"""Of both sensors: X of these datasets is registered to the RGB image."""

USUAL_WINDOW_MS = 50.0


@dataclass(frozen=True)
class DatasetRecording:
    """What to write. cameras: of RGB and of X, at their images' size; None writes no camera_info.
    limit: only the first samples."""

    timing: TimingSettings = field(default_factory=TimingSettings)
    cameras: tuple[CameraModel | None, CameraModel | None] = (None, None)
    limit: int | None = None

    def count_of(self, data: LabelledPairs) -> int:
        """The number of samples that are written."""
        return len(data) if self.limit is None else min(len(data), self.limit)


@dataclass(frozen=True)
class WrittenDataset:
    """settings: the `name=value` texts by which a replay reads X as the dataset does. window_ms:
    length of the windows of events, None for images and where it is a replay's default."""

    settings: tuple[str, ...]
    window_ms: float | None


def check_publishable(data: LabelledPairs, sample: Sample) -> None:
    """Raises InputError where the X of a dataset's sample can be in no recording."""
    if data.modality != NO_X and isinstance(sample.x, Planes):
        raise InputError(
            f"{data.folder} stores its {data.modality.replace('_', ' ')} as pictures made from "
            "readings, which no driver publishes; choose another X (--x) or dataset."
        )


class _Writer:
    """The writers of one recording."""

    def __init__(self, bag: InOrder, data: LabelledPairs, plan: DatasetRecording) -> None:
        self._bag, self._data = bag, data
        self._timing = SampleTimes(plan.timing, plan.count_of(data), is_windowed(data.modality))
        conditions = any(place.condition for place in data.places)
        self._truth = TruthWriter(bag, data.label_set, conditions)
        self._rgb = RgbWriter(bag, FRAME_ID, plan.cameras[0])
        self.x: XWriter | None = None
        self.windows: WindowWriter | None = None
        if data.modality != NO_X:
            self.x = XWriter(bag, data.modality, FRAME_ID, plan.cameras[1], data.settings)
        if self.x is not None and is_windowed(data.modality):
            self.windows = WindowWriter(self.x, plan.timing.shortest_period_ns)

    def write(self, index: int) -> None:
        """Writes a sample, and what no later one can come before."""
        sample = self._data[index]
        taken = self._rgb.taken_at(self._timing.rgb_ns(index))
        self._truth.write(sample.labels, sample.condition, taken)
        self._rgb.write(sample.rgb, taken)
        if index not in self._timing.lost:
            self._write_x(sample, self._timing.x_ns(index))
        window_s = 0.0 if self.windows is None else (self.windows.duration_ns or 0) / 1e9
        self._bag.release(self._timing.earliest_ns(index + 1, window_s))

    def _write_x(self, sample: Sample, stamp_ns: int) -> None:
        try:
            if self.windows is not None and isinstance(sample.x, Events):
                self.windows.write(sample.x, stamp_ns)
            elif self.x is not None:
                self.x.write_image(sample.x, stamp_ns)
        except InputError as err:
            raise InputError(f"X of sample {sample.stem} in {self._data.folder}: {err}") from err

    def finish(self) -> WrittenDataset:
        """Writes what is left."""
        if self.windows is not None:
            self.windows.finish()
        self._bag.release()
        if self.x is None:
            return WrittenDataset((), None)
        duration_ns = None if self.windows is None else self.windows.duration_ns
        window_ms = None if duration_ns is None else duration_ns / 1e6
        usual = window_ms == USUAL_WINDOW_MS
        told = replay_settings(self._data, self.x.told)
        return WrittenDataset(told, None if usual else window_ms)


def replay_settings(data: LabelledPairs, told: EncodingSettings) -> tuple[str, ...]:
    """The texts of the settings that the messages need, with those of images apart in time."""
    single = not any(data.sequence(index) for index in range(len(data)))
    texts = settings_as_text(told)
    known = {text.partition("=")[0] for text in texts}
    more = encoding_of(data.modality).single_shots if single else ()
    return (*texts, *(text for text in more if text.partition("=")[0] not in known))


def write_dataset_bag(
    data: LabelledPairs,
    path: Path,
    plan: DatasetRecording,
    storage: str = "mcap",
    on_sample: Callable[[], None] | None = None,
) -> WrittenDataset:
    """Writes RGB, X, ground truth and conditions of the samples in order.

    The topics are those of `write_drive_bag`; without X for a dataset of RGB images alone.
    Readings stay as they are: bytes are mono8, thermal counts of 16 bits mono16, depth 16UC1 in
    millimetres or 32FC1 in metres, four polarizer images one mosaic, the views of a light field
    side by side, and a window of events packets that end at the RGB stamp. path: the recording's
    folder, which must not exist yet. on_sample: called after each sample; StoppedError from it
    ends the recording there. Raises BagError if the path exists, OutputError if writing fails,
    and InputError for a sample that cannot be read or has an X that no driver publishes.
    """
    with BagWriter(path, storage) as bag:
        writer = _Writer(InOrder(bag), data, plan)
        try:
            for index in range(plan.count_of(data)):
                writer.write(index)
                if on_sample is not None:
                    on_sample()
        except StoppedError:
            writer.finish()
            raise
        return writer.finish()
