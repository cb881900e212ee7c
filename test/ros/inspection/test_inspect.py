# SPDX-License-Identifier: Apache-2.0
"""Inspection of recordings with known faults."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.scenes import PinholeCamera
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import camera_info
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.inspection.inspect import Inspection, inspect
from segrgbx_ros.inspection.timing import TimeLog, timing_problems
from segrgbx_ros.inspection.topic import TopicReport
from segrgbx_ros.messages.images import ImageMessage, image_message
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    EVENT_PACKET,
    IMAGE,
    POINT_CLOUD,
    Header,
    header,
    message,
)

MS = 1_000_000
START = 1_700_000_000_000 * MS
CAMERA = PinholeCamera(width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5, frame_id="rgb")
Entry = tuple[str, float, Any]


def head(ms: float | None) -> Header:
    """A header with a stamp; None gives a stamp of zero."""
    return header(0 if ms is None else START + round(ms * MS), "camera")


def image(ms: float | None, pixels: npt.NDArray[np.generic], encoding: str) -> ImageMessage:
    return image_message(pixels, encoding, head(ms))


def rgb(ms: float | None) -> ImageMessage:
    colours = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8)
    colours += np.uint8(round(ms or 0) % 251)
    return image(ms, colours, "rgb8")


def counts(ms: float | None) -> ImageMessage:
    values = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) + 28_000 + round(ms or 0) % 251
    return image(ms, values, "mono16")


def write_bag(path: Path, entries: list[Entry], empty: dict[str, str] | None = None) -> Path:
    with BagWriter(path) as bag:
        for topic, msg in {topic: msg for topic, _, msg in entries}.items():
            bag.add_topic(topic, msg.__msgtype__)
        for topic, kind in (empty or {}).items():
            bag.add_topic(topic, kind)
        for topic, ms, msg in sorted(entries, key=lambda e: e[1]):
            bag.write(topic, START + round(ms * MS), msg)
    return path


def inspected(path: Path) -> Inspection:
    with BagReader(path) as bag:
        return inspect(bag)


def topic_of(inspection: Inspection, name: str) -> TopicReport:
    return next(topic for topic in inspection.topics if topic.name == name)


def drive(count: int = 10, x_late_ms: float = 4.0) -> list[Entry]:
    """RGB and thermal at 10 Hz, each logged 5 ms after its stamp."""
    entries: list[Entry] = []
    for k in range(count):
        entries.append(("/rgb/image_raw", 100 * k + 5, rgb(100 * k)))
        x_ms = 100 * k + x_late_ms
        entries.append(("/thermal/image_raw", x_ms + 5, counts(x_ms)))
    return entries


def test_a_good_recording(tmp_path: Path) -> None:
    entries = drive()
    entries.append(("/rgb/camera_info", 5, camera_info(CAMERA, head(0))))
    inspection = inspected(write_bag(tmp_path / "bag", entries))
    assert inspection.complete
    assert inspection.problems == ()
    colour = topic_of(inspection, "/rgb/image_raw")
    assert (colour.count, colour.damaged, colour.msgtype) == (10, 0, IMAGE)
    assert (colour.timing.rate_hz, colour.timing.jitter_ms) == (10.0, 0.0)
    assert colour.timing.lag_ms == 5.0
    assert colour.timing.first_ns == START
    assert colour.timing.last_ns == START + 900 * MS
    assert (colour.roles.content, colour.roles.width, colour.roles.height) == ("rgb8", 64, 48)
    assert colour.roles.likely == colour.roles.can[0] == "RGB"
    heat = topic_of(inspection, "/thermal/image_raw")
    assert heat.roles.likely == "thermal"
    assert "RGB" not in heat.roles.can
    assert topic_of(inspection, "/rgb/camera_info").roles.can == ("calibration",)
    (pair,) = inspection.pairs
    assert (pair.rgb, pair.x, pair.modality) == ("/rgb/image_raw", "/thermal/image_raw", "thermal")
    assert (pair.rgb_images, pair.with_x, pair.skew_ms) == (10, 10, 4.0)


def timed(stamps_ms: list[float], lag_ms: float = 0.0) -> TimeLog:
    log = TimeLog()
    for ms in stamps_ms:
        stamp = START + round(ms * MS) if ms >= 0 else 0
        log.add(START + round((abs(ms) + lag_ms) * MS), stamp)
    return log


def test_rate_and_jitter_by_hand() -> None:
    """Intervals 100, 100, 110, 90: median 100, all within 10, four in 0.4 s."""
    timing = timed([0, 100, 200, 310, 400]).timing()
    assert timing.rate_hz == 10.0
    assert timing.jitter_ms == pytest.approx(10.0)
    assert (timing.gaps, timing.longest_gap_ms) == (0, 110.0)
    assert timed([0]).timing().rate_hz is None


@pytest.mark.parametrize(
    ("stamps_ms", "lag_ms", "words"),
    [
        ([-1, -1, -1], 0.0, "All stamps are zero, so these messages cannot be paired"),
        ([-1, 100, 200], 0.0, "1 of 3 stamps are zero"),
        ([0, 100, 100, 200], 0.0, "1 stamp repeats an earlier one"),
        ([0, 100, 200, 50, 150], 0.0, "step back 1 time, by up to 150 ms: the recording loops"),
        ([0, 100, 200, 900, 1000], 0.0, "1 gap of more than 2.5 intervals, the longest 700 ms"),
        (
            [0, 100, 200],
            -300.0,
            "Stamps on /x are 0.300 s ahead of the recorder's clock; ",
        ),
        ([0, 100], 7_200_000.0, "Stamps on /x are 2 hours behind the recorder's clock"),
        ([0, 100], -90_000.0, "Stamps on /x are 90.0 s ahead of the recorder's clock"),
    ],
)
def test_each_fault_of_the_stamps_has_its_sentence(
    stamps_ms: list[float], lag_ms: float, words: str
) -> None:
    said = timing_problems(timed(stamps_ms, lag_ms).timing(), len(stamps_ms), "/x")
    assert len(said) == 1
    assert words in said[0]


def test_ordinary_delays_are_no_fault() -> None:
    log = timed([0, 100, 205, 295, 400, 640], 180.0)
    assert timing_problems(log.timing(), 6, "/x") == []


def test_clocks_that_differ_between_rgb_and_x(tmp_path: Path) -> None:
    entries: list[Entry] = [(t, ms, rgb(ms)) for t, ms in (("/rgb/image", 0), ("/rgb/image", 100))]
    entries += [("/thermal/image", ms, counts(ms + 50_000)) for ms in (0, 100)]
    inspection = inspected(write_bag(tmp_path / "bag", entries))
    assert any(
        "0 of 2 RGB images on /rgb/image" in said
        and "thermal on /thermal/image" in said
        and "clocks differ" in said
        for said in inspection.problems
    )


def test_a_constant_offset_says_how_to_replay(tmp_path: Path) -> None:
    inspection = inspected(write_bag(tmp_path / "bag", drive(10, 40.0)))
    (said,) = inspection.problems
    assert "Only 0 of 10" in said
    assert "sync.slop 0.06" in said
    assert "sync.x_time_offset" in said


def test_an_offset_that_no_slop_bridges_says_how_to_replay(tmp_path: Path) -> None:
    entries: list[Entry] = [("/rgb/image_raw", 1000 * k, rgb(1000 * k)) for k in range(6)]
    entries += [("/thermal/image_raw", 1000 * k + 400, counts(1000 * k + 400)) for k in range(6)]
    (said,) = inspected(write_bag(tmp_path / "bag", entries)).problems
    assert "within 100 ms" in said
    assert "400 ms: replay with --slop 0.6" in said
    assert "--x-time-offset" in said


def test_damage_is_counted_and_named(tmp_path: Path) -> None:
    entries = drive()
    short = image(950, np.zeros((48, 64, 3), np.uint8), "rgb8")
    short.data = short.data[:-7]
    entries.append(("/rgb/image_raw", 951, short))
    small = image(1000, np.zeros((24, 32), np.uint16), "mono16")
    entries.append(("/thermal/image_raw", 1001, small))
    inspection = inspected(write_bag(tmp_path / "bag", entries))
    colour = topic_of(inspection, "/rgb/image_raw")
    assert colour.damaged == 1
    assert colour.problems[0].startswith("1 of 11 messages")
    assert "topic /rgb/image_raw" in colour.problems[0]
    (mixed,) = topic_of(inspection, "/thermal/image_raw").problems
    assert "mono16 64x48 (10), mono16 32x24 (1)" in mixed
    assert any(said.startswith("/rgb/image_raw: 1 of 11 messages") for said in inspection.problems)


def test_an_empty_topic_and_an_unfilled_calibration(tmp_path: Path) -> None:
    blank = camera_info(CAMERA, head(0))
    blank.k = np.zeros(9)
    entries = [*drive(3), ("/rgb/camera_info", 5.0, blank)]
    bag = write_bag(tmp_path / "bag", entries, {"/depth/image_raw": IMAGE})
    inspection = inspected(bag)
    (empty,) = topic_of(inspection, "/depth/image_raw").problems
    assert "No message" in empty
    calibration = topic_of(inspection, "/rgb/camera_info")
    assert calibration.roles.can == ()
    assert "calibration on topic /rgb/camera_info" in calibration.problems[0]


def test_why_a_topic_is_not_what_its_name_says(tmp_path: Path) -> None:
    """Millimetres stored as metres, and a colour-mapped thermal image."""
    metres = np.full((48, 64), 1800.0, np.float32)
    colour = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    entries: list[Entry] = [
        ("/depth/image_raw", 0, image(0, metres, "32FC1")),
        ("/thermal/image_raw", 0, image(0, colour, "bgr8")),
    ]
    inspection = inspected(write_bag(tmp_path / "bag", entries))
    depth = topic_of(inspection, "/depth/image_raw")
    assert depth.roles.likely is None
    assert "depth" not in depth.roles.can
    assert "mm" in (depth.roles.why_not or "")
    assert any(said.startswith("/depth/image_raw: ") for said in inspection.problems)
    heat = topic_of(inspection, "/thermal/image_raw")
    assert "thermal" not in heat.roles.can
    assert "RGB" in heat.roles.can
    assert "color_map" in (heat.roles.why_not or "")


def test_compressed_depth_clouds_and_other_types(tmp_path: Path) -> None:
    depth = np.full((48, 64), 2000, np.uint16)
    png = np.frombuffer(bytes(12) + cv2.imencode(".png", depth)[1].tobytes(), np.uint8)
    packed = message(
        COMPRESSED_IMAGE, header=head(0), format="16UC1; compressedDepth png", data=png
    )
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].reshape(-1)
    photo = message(COMPRESSED_IMAGE, header=head(0), format="jpeg", data=jpeg)
    field = [
        message("sensor_msgs/msg/PointField", name=n, offset=4 * i, datatype=7, count=1)
        for i, n in enumerate("xyz")
    ]
    cloud = message(
        POINT_CLOUD,
        header=head(0),
        height=1,
        width=2,
        fields=field,
        is_bigendian=False,
        point_step=12,
        row_step=24,
        data=np.zeros(24, np.uint8),
        is_dense=True,
    )
    entries: list[Entry] = [
        ("/depth/image_raw/compressedDepth", 0, packed),
        ("/color/compressed", 0, photo),
        ("/points", 0, cloud),
        ("/chatter", 0, message("std_msgs/msg/String", data="hello")),
    ]
    inspection = inspected(write_bag(tmp_path / "bag", entries))
    roles = {topic.name: topic.roles for topic in inspection.topics}
    assert roles["/depth/image_raw/compressedDepth"].likely == "depth"
    assert roles["/depth/image_raw/compressedDepth"].width == 64
    assert roles["/color/compressed"].likely == "RGB"
    assert (roles["/color/compressed"].width, roles["/color/compressed"].height) == (64, 48)
    assert roles["/points"].can == ("depth",)
    assert roles["/points"].content == "points x, y, z"
    assert roles["/chatter"].can == ()
    assert not topic_of(inspection, "/chatter").timing.stamped


def event_packet(ms: float, words: list[int], seq: int, encoding: str = "mono") -> Entry:
    msg = message(
        EVENT_PACKET,
        header=head(ms),
        height=48,
        width=64,
        seq=seq,
        time_base=0,
        encoding=encoding,
        is_bigendian=False,
        events=np.array(words, "<u8").view(np.uint8),
    )
    return "/event/events", ms, msg


def mono(x: int, y: int, on: int, dt: int) -> int:
    return on << 63 | y << 48 | x << 32 | dt


def test_events_by_hand(tmp_path: Path) -> None:
    entries = [
        event_packet(0, [mono(3, 4, 1, 100), mono(5, 6, 0, 200), mono(63, 47, 1, 300)], 1),
        event_packet(1, [mono(1, 1, 0, 1000)], 4),
        event_packet(2, [mono(64, 0, 1, 2000)], 5),
        event_packet(3, [0], 6, "evt9"),
    ]
    inspection = inspected(write_bag(tmp_path / "bag", entries))
    events = topic_of(inspection, "/event/events")
    assert events.events is not None
    totals = events.events.totals
    assert (totals.on, totals.off, totals.rising, totals.falling) == (2, 2, 0, 0)
    assert (totals.sum_t_ns, totals.sum_x, totals.sum_y) == (1600, 72, 58)
    assert (totals.sum_polarity, totals.first_ns) == (2, 100)
    assert events.damaged == 1
    assert (events.roles.content, events.roles.width, events.roles.can) == ("mono", 64, ("event",))
    said = " ".join(events.problems)
    assert "1 of 4 messages" in said
    assert "encoding 'evt9'" in said
    assert "2 packets missing" in said
    assert "1 event lies outside" in said
    assert "serve as RGB" in inspection.problems[-1]


def test_a_sensor_that_sends_no_events(tmp_path: Path) -> None:
    inspection = inspected(write_bag(tmp_path / "bag", [event_packet(k, [], k) for k in range(3)]))
    (said,) = topic_of(inspection, "/event/events").problems
    assert "No message holds an event" in said


def test_other_fields_of_view_are_told_before_a_model_refuses_them(tmp_path: Path) -> None:
    entries = drive(3)
    wide = np.arange(48 * 80, dtype=np.uint16).reshape(48, 80) + 28_000
    entries += [("/thermal/image_raw", ms, image(ms, wide, "mono16")) for ms in (304, 404)]
    assert inspected(write_bag(tmp_path / "same", entries[:6])).problems == ()
    colours = [entry for entry in entries if entry[0] == "/rgb/image_raw"]
    (said,) = inspected(write_bag(tmp_path / "wide", [*colours, *entries[-2:]])).problems[-1:]
    assert "/thermal/image_raw is 80x48" in said
    assert "/rgb/image_raw 64x48" in said
    assert "--align homography" in said


def test_a_cut_recording_is_inspected_as_far_as_it_goes(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", drive(30))
    file = bag / "bag.mcap"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3])
    inspection = inspected(bag)
    assert not inspection.complete
    assert inspection.lost is not None
    assert "breaks off after" in inspection.problems[0]
    assert 0 < topic_of(inspection, "/rgb/image_raw").count < 30


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "known"),
    [
        (
            "evt3_640x480",
            {"packets": 517, "on": 125_183, "off": 218_291, "first_us": 7_139_845},
        ),
        ("mono", {"packets": 2, "t": 4_950_000, "x": 34_450, "y": 26_450, "on": 50}),
        (
            "libcaer_rollover",
            {
                "packets": 201,
                "t": 15_762_826_572_202_229_126,
                "x": 111_651_612,
                "y": 82_801_007,
                "on": 181_908,
            },
        ),
    ],
)
def test_real_event_recordings(shared_data: Path, name: str, known: dict[str, int]) -> None:
    """The counts in the README of the recordings."""
    (topic,) = inspected(shared_data / "events" / name).topics
    assert topic.events is not None
    totals = topic.events.totals
    sums = {
        "packets": topic.count,
        "on": totals.on,
        "off": totals.off,
        "t": totals.sum_t_ns % 2**64,
        "x": totals.sum_x,
        "y": totals.sum_y,
        "first_us": (totals.first_ns or 0) // 1000,
    }
    assert {key: sums[key] for key in known} == known
    assert totals.sum_polarity == totals.on
    if name == "evt3_640x480":
        assert (totals.sum_t_ns + totals.sum_trigger_t_ns) // 1000 == 2_885_601_049_874
        assert (totals.rising, totals.falling) == (2_079, 2_078)


@pytest.mark.shared_data
def test_real_pairs_in_a_bag(shared_data: Path, tmp_path: Path) -> None:
    """Real pixels with artificial stamps: MFNet's thermal and 7-Scenes' depth, with RGB."""
    mfnet = sorted((shared_data / "mfnet" / "images").glob("*.png"))[:3]
    scenes = sorted((shared_data / "depth" / "seven_scenes").glob("*.depth.png"))[:3]
    entries: list[Entry] = []
    for k, (four, deep) in enumerate(zip(mfnet, scenes, strict=True)):
        pixels = np.asarray(cv2.imread(str(four), cv2.IMREAD_UNCHANGED))
        depth = np.asarray(cv2.imread(str(deep), cv2.IMREAD_UNCHANGED))
        ms = 100.0 * k
        entries.append(("/camera/color/image_raw", ms, image(ms, pixels[..., :3], "bgr8")))
        entries.append(("/flir/image_raw", ms, image(ms + 3, pixels[..., 3], "mono8")))
        entries.append(("/camera/depth/image_raw", ms, image(ms + 1, depth, "16UC1")))
    inspection = inspected(write_bag(tmp_path / "bag", entries))
    assert inspection.problems == ()
    assert {pair.modality: (pair.with_x, pair.skew_ms) for pair in inspection.pairs} == {
        "thermal": (3, 3.0),
        "depth": (3, 1.0),
    }
