# SPDX-License-Identifier: Apache-2.0
"""Whole replays of all five sensors with a small untrained model for all of them."""

import base64
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from segrgbx_core import Segmenter, build_model
from segrgbx_core.errors import InputError, ModelError, SegRgbxError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.labels.union import load_membership
from segrgbx_core.modality import MODALITIES
from segrgbx_core.report.layers import layer_files, read_layers
from segrgbx_core.scenes import Drive, DriveSettings, PinholeCamera
from segrgbx_core.sensor import CameraFiles, SensorSettings
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_core.wording import REASONS
from segrgbx_ros.bags.cameras import RecordedCameras
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import camera_info, write_drive_bag
from segrgbx_ros.bags.topics import find_topics
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import (
    EVENT_PACKET,
    POINT_CLOUD,
    Header,
    deserialized,
    header,
    message,
)
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.report import write_report
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary

MS = 1_000_000
START = 1_700_000_000_000 * MS
LABELS = load_label_set("street")
CAMERA = PinholeCamera(
    width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5, frame_id="rgb_optical"
)
Entry = tuple[str, float, Any]


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """An untrained small model that was written to a folder and read back."""
    torch.manual_seed(0)
    network = build_model("b0", len(LABELS), head_width=16)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    card = ModelCard("tiny", "untrained", network.config, tuple(MODALITIES), LABELS)
    save_model(folder, network, card)
    return Segmenter(folder, "cpu")


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short bag of each sensor."""
    folder = tmp_path_factory.mktemp("drives")
    for modality in MODALITIES:
        settings = DriveSettings(modality=modality, seconds=0.5, rate_hz=10, width=64, height=48)
        write_drive_bag(Drive(settings), folder / modality)
    return folder


def run(
    bag: Path,
    modality: str,
    out: Path,
    segmenter: Segmenter,
    sensor: SensorSettings | None = None,
    **sync: Any,
) -> ReplaySummary:
    options = ReplayOptions(
        bag,
        modality,
        out,
        sync=SyncSettings(**{"slop_s": 0.1, **sync}),
        sensor=sensor or SensorSettings(),
    )
    return replay(options, segmenter=segmenter)


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_sensor_from_bag_to_report(
    modality: str, drives: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    sensor = SensorSettings(settings=("rows=3", "columns=3") if modality == "light_field" else ())
    summary = run(drives / modality, modality, tmp_path, segmenter, sensor)
    # The first window of events reaches back before the first event.
    unusable = summary.frames.dropped.get("x_without_valid_pixel", 0)
    assert unusable == (modality == "event")
    assert set(summary.frames.dropped) <= set(REASONS)
    assert summary.frames.segmented == summary.frames.paired - unusable >= 4
    assert summary.miou is not None
    assert summary.problems == {}
    assert summary.modality == modality
    with BagReader(tmp_path / "result") as result:
        status = [deserialized(m.data, m.msgtype) for m in result.messages(["/segrgbx/status"])]
    assert {m.modality for m in status} == {modality}
    assert status[-1].x_used
    layers = dict(read_layers(layer_files(tmp_path)))
    assert [layers[index].x is not None for index in layers] == [m.x_used for m in status]
    assert sum(m.x_used for m in status) >= 3
    said = write_report(tmp_path).read_text()
    assert f"RGB with {modality.replace('_', ' ')}" in said
    assert ("RGB whose window of events leaves no valid pixel" in said) == bool(unusable)


def test_what_x_shows_matters(drives: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    """Another representation of the same events gives other confidences."""
    plain = run(drives / "event", "event", tmp_path / "a", segmenter)
    sensor = SensorSettings(settings=("representation=time_surface",))
    other = run(drives / "event", "event", tmp_path / "b", segmenter, sensor)
    assert plain.mean_confidence != other.mean_confidence


def test_a_window_that_reaches_before_the_recording_is_told(
    drives: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    """Windows of 150 ms at 10 Hz: the first two reach back before the first event."""
    told = {"window_ms": 150.0, "missing_x": "rgb_only"}
    summary = run(drives / "event", "event", tmp_path / "a", segmenter, **told)
    assert any("event windows hold less" in note for note in summary.notes)
    assert any("RGB alone, since no pixel" in note for note in summary.notes)
    taken = SensorSettings(("use_incomplete=true",))
    summary = run(drives / "event", "event", tmp_path / "b", segmenter, taken, window_ms=150.0)
    assert not any("RGB alone" in note for note in summary.notes)


def test_a_sensor_the_model_does_not_know(drives: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_model("b0", len(LABELS), head_width=16)
    card = ModelCard("warm", "untrained", network.config, ("thermal",), LABELS)
    save_model(tmp_path / "warm", network, card)
    options = ReplayOptions(drives / "depth", "depth", tmp_path / "out", model=tmp_path / "warm")
    with pytest.raises(ModelError, match=r"'warm' .*thermal, not with depth"):
        replay(options)
    assert not (tmp_path / "out").exists()


def test_a_label_set_of_a_union(drives: Path, tmp_path: Path) -> None:
    union = load_membership("mfnet").unified
    torch.manual_seed(0)
    network = build_model("b0", len(union), head_width=16)
    card = ModelCard("all", "untrained", network.config, ("thermal",), union)
    save_model(tmp_path / "all", network, card)
    options = ReplayOptions(
        drives / "thermal",
        "thermal",
        tmp_path / "out",
        gt_topic="none",
        model=tmp_path / "all",
        sync=SyncSettings(slop_s=0.1),
        label_set="mfnet",
    )
    summary = replay(options)
    assert set(summary.class_colors) == set(load_label_set("mfnet").names)
    assert set(summary.class_fractions) == {*summary.class_colors, "unlabelled"}


def test_a_setting_that_is_refused_leaves_nothing_behind(
    drives: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    sensor = SensorSettings(settings=("unit=fahrenheit",))
    with pytest.raises(InputError, match="fahrenheit"):
        run(drives / "thermal", "thermal", tmp_path / "out", segmenter, sensor)
    assert not (tmp_path / "out").exists()


def head(ms: float, frame: str = "rgb_optical") -> Header:
    return header(START + round(ms * MS), frame)


def rgb_at(ms: float) -> Entry:
    pixels = np.random.default_rng(round(ms)).integers(0, 256, (48, 64, 3), np.uint8)
    return "/rgb/image_raw", ms, image_message(pixels, "rgb8", head(ms))


def write_bag(path: Path, entries: list[Entry]) -> Path:
    with BagWriter(path) as bag:
        for topic, msg in {topic: msg for topic, _, msg in entries}.items():
            bag.add_topic(topic, msg.__msgtype__)
        for topic, ms, msg in sorted(entries, key=lambda e: e[1]):
            bag.write(topic, START + round(ms * MS), msg)
    return path


def cloud_at(ms: float, points: npt.NDArray[np.float64], frame: str = "lidar") -> Entry:
    fields = [
        message("sensor_msgs/msg/PointField", name=axis, offset=4 * i, datatype=7, count=1)
        for i, axis in enumerate("xyz")
    ]
    msg = message(
        POINT_CLOUD,
        header=head(ms, frame),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(points),
        data=points.astype("<f4").reshape(-1).view(np.uint8),
        is_dense=True,
    )
    return "/lidar/points", ms, msg


def static_transform(parent: str, child: str, move: tuple[float, float, float]) -> Entry:
    vector = message("geometry_msgs/msg/Vector3", x=move[0], y=move[1], z=move[2])
    turn = message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    transform = message(
        "geometry_msgs/msg/TransformStamped",
        header=head(0, parent),
        child_frame_id=child,
        transform=message("geometry_msgs/msg/Transform", translation=vector, rotation=turn),
    )
    return "/tf_static", 0, message("tf2_msgs/msg/TFMessage", transforms=[transform])


def wall() -> npt.NDArray[np.float64]:
    u, v = np.meshgrid(np.arange(0, 64, 0.5), np.arange(0, 48, 0.5))
    z = 4.0 + v / 24
    return np.stack([(u - 31.5) / 50 * z, (v - 23.5) / 50 * z, z], -1).reshape(-1, 3)


def test_a_cloud_is_seen_from_the_rgb_camera(tmp_path: Path, segmenter: Segmenter) -> None:
    """The transform of /tf_static moves the wall to where the camera sees all of it."""
    calibration = ("/rgb/camera_info", 0.0, camera_info(CAMERA, head(0)))
    entries = [rgb_at(0), rgb_at(100), calibration]
    entries += [cloud_at(ms, wall() + np.array([0.0, 0.0, 1.0])) for ms in (2, 102)]
    entries.append(static_transform("lidar", "rgb_optical", (0, 0, 1)))
    bag = write_bag(tmp_path / "bag", entries)
    summary = run(bag, "depth", tmp_path / "out", segmenter)
    assert summary.frames.segmented == 2
    assert summary.topics.x == "/lidar/points"
    assert summary.notes == [] or "RGB alone" not in summary.notes[0]
    [_, (_, layers)] = read_layers(layer_files(tmp_path / "out"))
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(layers.x or ""), np.uint8), 1)
    assert (np.ptp(shown[4:44, 4:60].reshape(-1, 3).astype(int), axis=1) > 60).mean() > 0.9


def test_a_cloud_without_its_place_is_refused(tmp_path: Path, segmenter: Segmenter) -> None:
    calibration = ("/rgb/camera_info", 0.0, camera_info(CAMERA, head(0)))
    bare = write_bag(tmp_path / "bare", [rgb_at(0), cloud_at(2, wall())])
    with pytest.raises(InputError, match=r"/lidar/points .*calibration of the RGB camera"):
        run(bare, "depth", tmp_path / "out", segmenter)
    lost = write_bag(tmp_path / "lost", [rgb_at(0), cloud_at(2, wall()), calibration])
    with pytest.raises(InputError, match=r"/tf_static.*--extrinsic"):
        run(lost, "depth", tmp_path / "out", segmenter)


def test_reprojection_by_what_the_recording_knows(tmp_path: Path, segmenter: Segmenter) -> None:
    depth = np.full((48, 64), 3000, np.uint16)
    entries = [
        rgb_at(0),
        ("/rgb/camera_info", 0.0, camera_info(CAMERA, head(0))),
        ("/depth/image_raw", 1.0, image_message(depth, "16UC1", head(1, "depth_optical"))),
        ("/depth/camera_info", 1.0, camera_info(CAMERA, head(1, "depth_optical"))),
        static_transform("rgb_optical", "depth_optical", (0.1, 0, 0)),
    ]
    bag = write_bag(tmp_path / "bag", entries)
    with BagReader(bag) as reader:
        cameras = RecordedCameras(reader, find_topics(reader, "depth"), CameraFiles())
        assert cameras.rgb_from_x("A test")[:3, 3].tolist() == [0.1, 0, 0]
    sensor = SensorSettings(align="reproject")
    assert run(bag, "depth", tmp_path / "out", segmenter, sensor).frames.segmented == 1
    apart = write_bag(tmp_path / "apart", entries[:-1])
    with pytest.raises(InputError, match=r"transform from X .*/tf_static"):
        run(apart, "depth", tmp_path / "out2", segmenter, sensor)


def packet_at(ms: float, events: bytes, encoding: str = "mono", seq: int = 0) -> Entry:
    msg = message(
        EVENT_PACKET,
        header=head(ms, "event"),
        height=24,
        width=32,
        seq=seq,
        time_base=round(ms * MS),
        encoding=encoding,
        is_bigendian=False,
        events=np.frombuffer(events, np.uint8),
    )
    return "/event/events", ms, msg


def mono(count: int, seed: int) -> bytes:
    """Events of the first millisecond after the packet's stamp."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 32, count, np.uint64), rng.integers(0, 24, count, np.uint64)
    on, dt = rng.integers(0, 2, count, np.uint64), rng.integers(0, 1_000_000, count, np.uint64)
    words = on << np.uint64(63) | y << np.uint64(48) | x << np.uint64(32) | np.sort(dt)
    return bytes(words.astype("<u8").tobytes())


def test_broken_event_packets_are_counted_and_the_rest_is_used(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    entries = [packet_at(k, mono(40, k), seq=k) for k in range(200)]
    entries[120] = packet_at(120, mono(40, 120)[:-3], seq=120)
    entries[150] = packet_at(150, mono(40, 150), "evt9", seq=150)
    entries += [rgb_at(ms) for ms in (60, 110, 160)]
    bag = write_bag(tmp_path / "bag", entries)
    summary = run(bag, "event", tmp_path / "out", segmenter, missing_x="rgb_only")
    assert summary.frames.segmented == 3
    assert summary.frames.x_in == 200
    assert summary.frames.dropped["unreadable_x_message"] == 1
    assert "encoding 'evt9'" in summary.problems["unreadable_x_message"]
    assert any("1 event packet breaks off" in note for note in summary.notes)


def test_every_packet_counts_before_the_next_image(tmp_path: Path, segmenter: Segmenter) -> None:
    """Images are 20 ms apart and packets 10.

    In the 320 ms of packets decoded in one batch, an image would have waited too long.
    """
    entries = [packet_at(10 * k, mono(40, k), seq=k) for k in range(60)]
    entries += [rgb_at(ms) for ms in range(101, 500, 20)]
    summary = run(write_bag(tmp_path / "bag", entries), "event", tmp_path / "out", segmenter)
    assert summary.frames.segmented == 20
    assert summary.notes == []


def test_events_by_log_times(tmp_path: Path, segmenter: Segmenter) -> None:
    """As with stamps, which `write_bag` logs messages by, though the headers have none."""
    entries = [packet_at(10 * k, mono(40, k), seq=k) for k in range(60)]
    entries += [rgb_at(ms) for ms in range(101, 500, 20)]
    stamped = run(write_bag(tmp_path / "a", entries), "event", tmp_path / "stamped", segmenter)
    for _, _, msg in entries:
        msg.header.stamp.sec = msg.header.stamp.nanosec = 0
    bag = write_bag(tmp_path / "b", entries)
    options = ReplayOptions(bag, "event", tmp_path / "log", stamps="log")
    summary = replay(options, segmenter=segmenter)
    assert summary.frames == stamped.frames
    assert summary.frames.segmented == 20


def test_events_nowhere_near_the_images(tmp_path: Path, segmenter: Segmenter) -> None:
    far = [packet_at(5000 + k, mono(5, k), seq=k) for k in range(3)]
    bag = write_bag(tmp_path / "bag", [rgb_at(0), rgb_at(100), *far])
    with pytest.raises(SegRgbxError, match=r"event in the 50 ms .*\(2 RGB"):
        run(bag, "event", tmp_path / "out", segmenter)


def test_only_packets_of_an_unknown_encoding(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = [packet_at(k, b"12345678", "evt9", k) for k in range(3)]
    bag = write_bag(tmp_path / "bag", [rgb_at(1), *entries])
    with pytest.raises(SegRgbxError, match="encoding 'evt9', which is unknown"):
        run(bag, "event", tmp_path / "out", segmenter)


def x_image(modality: str, ms: float, pixels: npt.NDArray[np.generic], encoding: str) -> Entry:
    msg = image_message(pixels, encoding, head(ms))
    return f"/{modality}/image_raw", ms, msg


GREY = np.random.default_rng(0).integers(20, 200, (48, 64)).astype(np.uint8)
MILLIMETRES = np.full((48, 64), 1800, np.uint16)


@pytest.mark.parametrize(
    ("modality", "good", "bad", "reason", "words"),
    [
        (
            "depth",
            (MILLIMETRES, "16UC1"),
            (MILLIMETRES.astype(np.float32), "32FC1"),
            "refused_by_encoding",
            "median of 1800, .*millimetres",
        ),
        (
            "depth",
            (MILLIMETRES, "16UC1"),
            (np.dstack([MILLIMETRES] * 2), "16UC2"),
            "undecodable_x",
            "encoding '16UC2', which an X",
        ),
        (
            "depth",
            (MILLIMETRES, "16UC1"),
            (MILLIMETRES[:, :40], "16UC1"),
            "refused_by_segmenter",
            "aspect ratios differ",
        ),
        (
            "polarization",
            (GREY, "mono8"),
            (GREY[:47, :63], "mono8"),
            "refused_by_encoding",
            "63x47",
        ),
        (
            "light_field",
            (np.tile(GREY, (3, 3)), "mono8"),
            (np.tile(GREY, (3, 3))[:, :-1], "mono8"),
            "refused_by_encoding",
            "191x144",
        ),
    ],
)
def test_a_reading_that_cannot_be_used_is_counted_and_the_others_are_kept(
    tmp_path: Path,
    segmenter: Segmenter,
    modality: str,
    good: tuple[npt.NDArray[np.generic], str],
    bad: tuple[npt.NDArray[np.generic], str],
    reason: str,
    words: str,
) -> None:
    entries = [rgb_at(ms) for ms in (0, 200, 400)]
    entries += [x_image(modality, ms, *good) for ms in (1, 401)]
    entries.append(x_image(modality, 201, *bad))
    sensor = SensorSettings(settings=("rows=3", "columns=3") if modality == "light_field" else ())
    bag = write_bag(tmp_path / "bag", entries)
    summary = run(bag, modality, tmp_path / "out", segmenter, sensor)
    assert summary.frames.segmented == 2
    assert summary.frames.dropped == {reason: 1}
    assert re.search(words, summary.problems[reason])


@pytest.mark.parametrize(
    ("told", "segmented", "held", "reasons"),
    [
        ({"missing_x": "drop"}, [0, 100, 500], 0, set()),
        ({"missing_x": "rgb_only"}, [0, 100, 200, 300, 400, 500], 0, {"within 30 ms"}),
        (
            {"missing_x": "rgb_only", "x_timeout_s": 0.05},
            [0, 100, 200, 300, 400, 500],
            0,
            {"has come for 0.1 s", "has come for 0.2 s", "has come for 0.3 s"},
        ),
        ({"missing_x": "hold_last", "hold_limit_s": 0.25}, [0, 100, 200, 300, 500], 2, set()),
    ],
)
def test_missing_x_as_the_live_node_treats_it(
    told: dict[str, Any],
    segmented: list[int],
    held: int,
    reasons: set[str],
    tmp_path: Path,
    segmenter: Segmenter,
) -> None:
    """RGB at 10 Hz, whose thermal camera pauses from 150 to 450 ms."""
    thermal = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) + 29000
    entries = [rgb_at(ms) for ms in range(0, 600, 100)]
    for ms in (0, 100, 500):
        x = image_message(thermal, "mono16", head(ms))
        entries.append(("/thermal/image_raw", ms + 1.0, x))
    bag = write_bag(tmp_path / "bag", entries)
    summary = run(bag, "thermal", tmp_path / "out", segmenter, **{"slop_s": 0.03, **told})
    assert (summary.frames.paired, summary.frames.segmented) == (3, len(segmented))
    missing = summary.frames.rgb_in - len(segmented)
    assert summary.frames.dropped == ({"rgb_without_x": missing} if missing else {})
    with BagReader(tmp_path / "out" / "result") as result:
        status = [deserialized(m.data, m.msgtype) for m in result.messages(["/segrgbx/status"])]
    stamps = [s.header.stamp.sec * 10**9 + s.header.stamp.nanosec - START for s in status]
    assert [stamp // MS for stamp in stamps] == segmented
    assert sum(s.x_held for s in status) == held
    said = {s.x_reason for s in status if s.x_reason}
    assert {words for words in reasons for reason in said if words in reason} == reasons
    assert len(said) == len(reasons)
    kept = [note for note in summary.notes if "missing_x" in note]
    assert len(kept) == (told["missing_x"] != "drop")
