# SPDX-License-Identifier: Apache-2.0
"""Datasets as recordings: a replay sees the readings, and gives the scores, of the dataset."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segrgbx_core import Segmenter, build_model
from segrgbx_core.datasets import FolderDataset, LabelledPairs, encoded, open_dataset
from segrgbx_core.datasets.scenes import scenes_camera, write_dataset
from segrgbx_core.datasets.writing import finish_folder, start_folder
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.files.events import read_events, write_events
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.modality import MODALITIES
from segrgbx_core.readings import Planes, Reading, RgbImage
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.sensor import SensorSettings
from segrgbx_core.stopping import StoppedError
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.bags.making.dataset import (
    DatasetRecording,
    WrittenDataset,
    check_publishable,
    write_dataset_bag,
)
from segrgbx_ros.bags.making.place import placed
from segrgbx_ros.bags.making.timing import TimingSettings
from segrgbx_ros.bags.making.truth import TRUTH_CONDITION
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.messages.images import stamp_ns
from segrgbx_ros.messages.types import deserialized
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary

SETTINGS = DriveSettings(seconds=0.4, rate_hz=10.0, width=64, height=48)
EVERY = tuple(MODALITIES)


@pytest.fixture(scope="session")
def all_sensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained model for every sensor."""
    labels, folder = load_label_set("street"), tmp_path_factory.mktemp("all") / "tiny"
    torch.manual_seed(1)
    model = build_model("b0", len(labels))
    save_model(folder, model, ModelCard("tiny", "untrained", model.config, EVERY, labels))
    return folder


class Watching(Segmenter):
    """A segmenter that keeps the planes it is given."""

    def __init__(self, model: Path) -> None:
        super().__init__(model, "cpu", backend="eager")
        self.planes: list[Planes] = []

    def __call__(
        self, rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        if isinstance(x, Planes):
            self.planes.append(Planes(x.data.copy(), x.valid.copy()))
        return super().__call__(rgb, x, modality)


def scenes_of(modality: str, folder: Path, stills: bool = True) -> FolderDataset:
    write_dataset(Drive(replace(SETTINGS, modality=modality)), folder)
    manifest = folder / "dataset.yaml"
    if stills:
        manifest.write_text(manifest.read_text().replace("video: true\n", ""))
    return FolderDataset(folder)


def replayed(
    bag: Path, data: LabelledPairs, made: WrittenDataset, out: Path, segmenter: Segmenter
) -> ReplaySummary:
    sync = SyncSettings(window_ms=made.window_ms or 50.0)
    sensor = SensorSettings(tuple(made.settings))
    options = ReplayOptions(bag, data.modality, out, sync=sync, sensor=sensor)
    return replay(options, segmenter=segmenter)


@pytest.mark.parametrize("modality", EVERY)
def test_a_replay_sees_the_readings_of_the_dataset(
    tmp_path: Path, all_sensors: Path, modality: str
) -> None:
    data = scenes_of(modality, tmp_path / "data")
    bag = tmp_path / "made"
    made = write_dataset_bag(data, bag, DatasetRecording())
    watching = Watching(all_sensors)
    summary = replayed(bag, data, made, tmp_path / "out", watching)
    assert summary.frames.segmented == summary.frames.rgb_in == len(data) == 4
    assert not [name for name in summary.frames.dropped if name.startswith("rgb")]
    wanted = [encoded(data, data[index]) for index in range(len(data))]
    for got, planes in zip(watching.planes, wanted, strict=True):
        np.testing.assert_array_equal(got.valid, planes.valid)
        np.testing.assert_array_equal(got.data, planes.data)


@pytest.mark.parametrize(
    ("modality", "settings"),
    [
        ("thermal", "unit: centikelvin"),
        ("depth", "unit: mm"),
        ("depth", "unit: m\n  scale: 0.00123"),
    ],
)
def test_the_scores_are_those_of_evaluate(
    tmp_path: Path, all_sensors: Path, modality: str, settings: str
) -> None:
    scenes_of(modality, tmp_path / "data")
    with (tmp_path / "data" / "dataset.yaml").open("a") as manifest:
        manifest.write(f"settings:\n  {settings}\n")
    data, segmenter = FolderDataset(tmp_path / "data"), Segmenter(all_sensors, "cpu")
    made = write_dataset_bag(data, tmp_path / "made", DatasetRecording())
    summary = replayed(tmp_path / "made", data, made, tmp_path / "out", segmenter)
    scores = evaluate(segmenter, data).overall
    assert summary.frames_scored == scores.frames == 4
    assert summary.miou == scores.miou
    assert summary.pixel_accuracy == scores.pixel_accuracy
    assert summary.per_class_iou == scores.per_class_iou


def test_conditions_come_with_each_image(tmp_path: Path) -> None:
    drive = Drive(replace(SETTINGS, conditions=("day", "night")))
    write_dataset(drive, tmp_path / "data")
    data = FolderDataset(tmp_path / "data")
    wanted = [place.condition for place in data.places]
    assert set(wanted) == {"day", "night"}
    write_dataset_bag(data, tmp_path / "made", DatasetRecording())
    with BagReader(tmp_path / "made") as bag:
        said = [
            (m.log_time_ns, deserialized(m.data, m.msgtype).data)
            for m in bag.messages([TRUTH_CONDITION])
        ]
        logged = [m.log_time_ns for m in bag.messages(["/rgb/image_raw"])]
        first = [m.topic for m in bag.messages([TRUTH_CONDITION, "/rgb/image_raw"])][:2]
    assert said == list(zip(logged, wanted, strict=True))
    assert first == [TRUTH_CONDITION, "/rgb/image_raw"]


def stamps_of(path: Path, topic: str) -> list[int]:
    with BagReader(path) as bag:
        messages = [deserialized(m.data, m.msgtype) for m in bag.messages([topic])]
    return [stamp_ns(m.header) for m in messages]


def test_rate_offset_jitter_and_drops(tmp_path: Path) -> None:
    data = scenes_of("thermal", tmp_path / "data")
    plain = TimingSettings(rate_hz=5.0, x_offset_s=-0.7, seed=3)
    write_dataset_bag(data, tmp_path / "plain", DatasetRecording(plain))
    rgb = stamps_of(tmp_path / "plain", "/rgb/image_raw")
    assert np.diff(rgb).tolist() == [200_000_000] * 3
    x = stamps_of(tmp_path / "plain", "/thermal/image_raw")
    assert x == [stamp - 700_000_000 for stamp in rgb]
    faulty = replace(plain, jitter_s=0.01, drop=0.5, x_offset_s=0.0)
    write_dataset_bag(data, tmp_path / "faulty", DatasetRecording(faulty))
    shaken = stamps_of(tmp_path / "faulty", "/rgb/image_raw")
    off = np.abs(np.subtract(shaken, rgb))
    assert off.max() <= 30_000_000
    assert len(set(off.tolist())) == 4
    assert len(stamps_of(tmp_path / "faulty", "/thermal/image_raw")) == 2
    write_dataset_bag(data, tmp_path / "again", DatasetRecording(faulty))
    assert stamps_of(tmp_path / "again", "/rgb/image_raw") == shaken


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_messages_are_in_the_order_of_their_times(tmp_path: Path, storage: str) -> None:
    data = scenes_of("event", tmp_path / "data")
    late = DatasetRecording(TimingSettings(x_offset_s=0.25))
    write_dataset_bag(data, tmp_path / "made", late, storage)
    with BagReader(tmp_path / "made") as bag:
        messages = list(bag.messages([t.name for t in bag.topics]))
    logged = [m.log_time_ns for m in messages]
    assert logged == sorted(logged)
    assert len(messages) > 4 * 4


def test_cameras_are_written_where_they_are_known(tmp_path: Path) -> None:
    data = scenes_of("thermal", tmp_path / "data")
    cameras = scenes_camera(64, 48), scenes_camera(32, 24)
    plan = DatasetRecording(cameras=cameras, limit=2)
    write_dataset_bag(data, tmp_path / "made", plan)
    with BagReader(tmp_path / "made") as bag:
        counts = {t.name: t.count for t in bag.topics}
        first = bag.first("/thermal/camera_info")
    assert first is not None
    info = deserialized(first.data, first.msgtype)
    assert (info.width, info.height) == (32, 24)
    assert info.k[0] == Drive(SETTINGS).x_camera.fx
    assert info.header.frame_id == "rgb_optical_frame"
    assert counts["/rgb/camera_info"] == counts["/rgb/image_raw"] == 2


def write_incomplete(folder: Path, stem: str) -> None:
    path = folder / "x" / f"{stem}.npz"
    write_events(path, replace(read_events(path), complete=False))


def test_a_window_with_lost_events_stays_one(tmp_path: Path, all_sensors: Path) -> None:
    data = scenes_of("event", tmp_path / "data")
    write_incomplete(tmp_path / "data", "000001")
    made = write_dataset_bag(data, tmp_path / "made", DatasetRecording())
    watching = Watching(all_sensors)
    summary = replayed(tmp_path / "made", data, made, tmp_path / "out", watching)
    assert summary.frames.segmented == 3
    assert summary.frames.dropped["x_without_valid_pixel"] == 1
    for got, index in zip(watching.planes, (0, 2, 3), strict=True):
        np.testing.assert_array_equal(got.data, encoded(data, data[index]).data)


def test_windows_need_room_and_one_length(tmp_path: Path) -> None:
    data = scenes_of("event", tmp_path / "data")
    fast = DatasetRecording(TimingSettings(rate_hz=25.0))
    with pytest.raises(InputError, match=r"000000.*cover 50 ms.*after 40 ms.*at most 20"):
        write_dataset_bag(data, tmp_path / "fast", fast)
    path = tmp_path / "data" / "x" / "000002.npz"
    events = read_events(path)
    write_events(path, replace(events, start_ns=events.start_ns - 1_000_000))
    with pytest.raises(InputError, match=r"000002.*cover 51 ms.*50 ms"):
        write_dataset_bag(data, tmp_path / "uneven", DatasetRecording())


def pictures_as_x(root: Path) -> LabelledPairs:
    """One sample of DeLiVER's layout with events as a picture."""
    for kind, word in (("img", "rgb"), ("event", "event"), ("semantic", "semantic")):
        folder = root / kind / "sun" / "val" / "MAP_1_point1"
        folder.mkdir(parents=True)
        pixels = np.ones((8, 8, 3), np.uint8)
        cv2.imwrite(str(folder / f"0001_{word}_front.png"), pixels)
    return open_dataset("deliver", root, "val")


def test_pictures_of_x_are_refused(tmp_path: Path) -> None:
    data = pictures_as_x(tmp_path)
    with pytest.raises(InputError, match=r"event as pictures.*--x"):
        check_publishable(data, data[0])


def rgb_alone(root: Path, stems: Sequence[str]) -> LabelledPairs:
    for folder in ("train", "trainannot"):
        (root / folder).mkdir(parents=True)
        for stem in stems:
            pixels = np.zeros((8, 8, 3) if folder == "train" else (8, 8), np.uint8)
            cv2.imwrite(str(root / folder / f"{stem}.png"), pixels)
    return open_dataset("camvid", root, "train")


def test_a_dataset_without_x_has_no_x_topic(tmp_path: Path) -> None:
    data = rgb_alone(tmp_path / "camvid", ["0001TP_1", "Seq05_2"])
    made = write_dataset_bag(data, tmp_path / "made", DatasetRecording())
    assert made == WrittenDataset((), None)
    with BagReader(tmp_path / "made") as bag:
        counts = {t.name: t.count for t in bag.topics}
    assert counts == {
        "/rgb/image_raw": 2,
        "/ground_truth/mask": 2,
        "/ground_truth/label_info": 1,
        "/ground_truth/condition": 2,
    }


def four_angles(folder: Path) -> FolderDataset:
    start_folder(folder)
    rng = np.random.default_rng(2)
    cv2.imwrite(str(folder / "rgb" / "a.png"), np.zeros((16, 24, 3), np.uint8))
    cv2.imwrite(str(folder / "labels" / "a.png"), np.zeros((16, 24), np.uint8))
    (folder / "x" / "a").mkdir()
    for angle in (0, 45, 90, 135):
        pixels = rng.integers(20, 230, (16, 24), np.uint8)
        cv2.imwrite(str(folder / "x" / "a" / f"{angle}.png"), pixels)
    finish_folder(folder, "polarization", "street", {})
    return FolderDataset(folder)


def test_four_angles_are_one_mosaic(tmp_path: Path, all_sensors: Path) -> None:
    data = four_angles(tmp_path / "data")
    made = write_dataset_bag(data, tmp_path / "made", DatasetRecording())
    assert made.settings == ("demosaic=superpixel",)
    watching = Watching(all_sensors)
    replayed(tmp_path / "made", data, made, tmp_path / "out", watching)
    (got,) = watching.planes
    np.testing.assert_array_equal(got.data, encoded(data, data[0]).data)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rate_hz": 0.0}, r"0 Hz; expected 0.1 to 1000"),
        ({"jitter_s": 0.02}, r"0\.02 s; expected 0 to below 0\.01667 s at 10 Hz"),
        ({"x_offset_s": -11.0}, r"-11 s; expected at most 10 s"),
        ({"drop": 1.0}, r"dropped is 1; expected 0 to below 1"),
        ({"seed": -1}, r"seed is -1"),
    ],
)
def test_a_clock_out_of_range_is_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        TimingSettings(**settings)  # type: ignore[arg-type]


def test_a_recording_that_is_stopped_is_whole(tmp_path: Path) -> None:
    data = scenes_of("thermal", tmp_path / "data")
    out, written = tmp_path / "made.mcap", iter(range(4))

    def on_sample() -> None:
        if next(written) == 1:
            raise StoppedError("Stopped by SIGINT.")

    with pytest.raises(StoppedError), placed(out) as made:
        write_dataset_bag(data, made, DatasetRecording(), on_sample=on_sample)
    with BagReader(out) as bag:
        counts = {t.name: t.count for t in bag.topics}
        assert bag.loss is None
    assert counts["/rgb/image_raw"] == counts["/thermal/image_raw"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "made.mcap"]
