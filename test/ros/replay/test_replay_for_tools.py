# SPDX-License-Identifier: Apache-2.0
"""What a replay writes for other tools: pictures in the result bag, layout, Rerun and video."""

import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core import Segmenter
from segrgbx_core.errors import InputError, OutputError
from segrgbx_core.files.images import jpeg_bytes, read_rgb
from segrgbx_core.files.yaml import read_json
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.pictures.frames import BAND, INVALID, four_up
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros import cli
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.inspection.inspect import inspect
from segrgbx_ros.messages.compressed import JPEG_FORMAT
from segrgbx_ros.messages.images import image_message, stamp_ns
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    STATUS,
    deserialized,
    header,
    message,
    typestore,
)
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.layers import PageLayers
from segrgbx_ros.replay.options import FurtherFiles, ReplayOptions
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary
from segrgbx_ros.replay.tools.video_file import of_rows

START, STEP = 1_700_000_000_000_000_000, 100_000_000
RGB, X = "/segrgbx/rgb/compressed", "/segrgbx/x/compressed"
STAMPS = [START + STEP * k for k in (0, 1, 2, 3, 7, 8)]
LABELS = load_label_set("street")
Run = Callable[..., ReplaySummary]


def rgb_pixels(k: int) -> npt.NDArray[np.uint8]:
    """(46, 62, 3): a gradient that differs from frame to frame."""
    y, x = np.mgrid[:46, :62]
    return np.dstack([4 * x, 5 * y, np.full_like(x, 20 * k)]).astype(np.uint8)


def recorded(path: Path, jpegs: Mapping[int, bytes] | None = None) -> Path:
    """RGB of 10 Hz with a gap, X of half its size for all but one, truth for the first three."""
    rgb_type = COMPRESSED_IMAGE if jpegs else "sensor_msgs/msg/Image"
    rgb = "/rgb/image_raw/compressed" if jpegs else "/rgb/image_raw"
    with BagWriter(path) as bag:
        bag.add_topic(rgb, rgb_type)
        bag.add_topic("/thermal/image_raw", "sensor_msgs/msg/Image")
        bag.add_topic("/ground_truth/mask", "sensor_msgs/msg/Image")
        for k, stamp in enumerate(STAMPS):
            head = header(stamp, "rgb_frame")
            if jpegs:
                data = np.frombuffer(jpegs[k], np.uint8)
                msg = message(COMPRESSED_IMAGE, header=head, format="jpeg", data=data)
            else:
                msg = image_message(rgb_pixels(k), "rgb8", head)
            bag.write(rgb, stamp, msg)
            if k != 1:
                warm = np.mgrid[:23, :31][1].astype(np.uint16) + np.uint16(29000 + 50 * k)
                x = image_message(warm, "mono16", header(stamp, "x_frame"))
                bag.write("/thermal/image_raw", stamp + 1, x)
            if k < 3:
                ids = np.random.default_rng(k).integers(0, len(LABELS), (46, 62), np.uint8)
                truth = image_message(ids, "mono8", head)
                bag.write("/ground_truth/mask", stamp + 2, truth)
    return path


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("recorded") / "drive")


@pytest.fixture
def run(drive: Path, segmenter: Segmenter) -> Run:
    def run(out: Path, stop_at: int | None = None, **more: Any) -> ReplaySummary:
        asked = 0

        def stopping() -> str | None:
            nonlocal asked
            asked += 1
            return None if stop_at is None or asked < stop_at else "SIGTERM"

        told = {"bag": drive, "modality": "thermal", "sync": SyncSettings(missing_x="rgb_only")}
        files = more.pop("files", {})
        options = ReplayOptions(out=out, files=FurtherFiles(**files), **{**told, **more})
        return replay(options, None, segmenter, stopping)

    return run


def held(out: Path) -> dict[str, list[Any]]:
    with BagReader(out / "result") as bag:
        found: dict[str, list[Any]] = {topic.name: [] for topic in bag.topics}
        for m in bag.messages(list(found)):
            found[m.topic].append(deserialized(m.data, m.msgtype))
    return found


def decoded(msg: Any) -> npt.NDArray[np.uint8]:
    image = cv2.imdecode(msg.data, cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def test_the_result_bag_holds_rgb_and_x_as_the_masks_have_them(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "out")
    found = held(tmp_path / "out")
    masks = found["/segrgbx/mask"]
    for topic in (RGB, X):
        assert [stamp_ns(m.header) for m in found[topic]] == STAMPS
        assert [m.header.frame_id for m in found[topic]] == [m.header.frame_id for m in masks]
        assert {m.format for m in found[topic]} == {JPEG_FORMAT}
        assert {decoded(m).shape for m in found[topic]} == {(46, 62, 3)}
    for k, msg in enumerate(found[RGB]):
        assert np.abs(decoded(msg).astype(int) - rgb_pixels(k)).mean() < 4
    assert np.abs(decoded(found[X][1]).astype(int) - INVALID).max() < 4
    assert np.ptp(decoded(found[X][0]).astype(int), axis=(0, 1)).max() > 50


def test_a_recorded_jpeg_is_passed_on_byte_by_byte_unless_exif_may_turn_it(
    run: Run, tmp_path: Path
) -> None:
    jpegs = {k: jpeg_bytes(rgb_pixels(k), 95) for k in range(len(STAMPS))}
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00"
    exif += bytes(6)
    size = (len(exif) + 2).to_bytes(2, "big")
    jpegs[2] = b"\xff\xd8\xff\xe1" + size + exif + jpegs[2][2:]
    bag = recorded(tmp_path / "drive", jpegs)
    run(tmp_path / "out", bag=bag)
    sent = [bytes(m.data) for m in held(tmp_path / "out")[RGB]]
    assert [k for k, data in enumerate(sent) if data != jpegs[k]] == [2]
    assert b"Exif" not in sent[2]
    upright = cv2.imdecode(np.frombuffer(sent[2], np.uint8), cv2.IMREAD_COLOR)
    assert upright is not None
    assert upright.shape == (46, 62, 3)


def test_without_x_or_without_images_their_topics_are_not_there(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "rgb", modality="none")
    assert {RGB, X} & set(held(tmp_path / "rgb")) == {RGB}
    run(tmp_path / "bare", files={"images": False})
    assert not {RGB, X} & set(held(tmp_path / "bare"))


def test_inspect_has_nothing_to_say_of_our_own_result(run: Run, tmp_path: Path) -> None:
    """Although it has the gap of the recording, and no topic that could be RGB."""
    run(tmp_path / "out")
    with BagReader(tmp_path / "out" / "result") as bag:
        found = inspect(bag)
    assert found.problems == ()
    assert {t.timing.gaps for t in found.topics if t.count > 1} == {1}
    roles = {t.name: t.roles.likely for t in found.topics}
    assert roles[RGB] == roles[X] == roles["/segrgbx/mask"] == "earlier result"


def leaves(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    assert set(node) <= {"direction", "first", "second", "splitPercentage"}
    assert node["direction"] in ("row", "column")
    return [*leaves(node["first"]), *leaves(node["second"])]


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("modality", ["thermal", "none"])
def test_the_layout_beside_a_result_names_its_topics_fields_and_classes(
    run: Run, drive: Path, tmp_path: Path, modality: str, images: bool
) -> None:
    run(tmp_path, modality=modality, files={"images": images})
    layout: Any = read_json(tmp_path / "foxglove_layout.json", InputError)
    panels = layout["configById"]
    assert sorted(leaves(layout["layout"])) == sorted(panels)
    assert ("Image!x" in panels) is (modality == "thermal")
    with BagReader(tmp_path / "result") as result, BagReader(drive) as bag:
        types = {t.name: t.msgtype for t in (*bag.topics, *result.topics)}
    shown = {p["imageMode"]["imageTopic"] for n, p in panels.items() if n.startswith("Image!")}
    assert {types[topic].rpartition("/")[2] for topic in shown} <= {"Image", "CompressedImage"}
    assert ({RGB} <= shown) is images
    assert ({"/rgb/image_raw"} <= shown) is not images
    fields = {name for name, _ in typestore().fielddefs[STATUS][1]}
    curves = [p for n in panels if n.startswith("Plot!") for p in panels[n]["paths"]]
    for curve in curves:
        topic, _, field = curve["value"].partition(".")
        assert types[topic] == STATUS
        assert field.partition("[")[0] in fields
    shares = {c["label"]: c["color"] for c in curves if "class_fractions" in c["value"]}
    assert len(shares) == len(LABELS)
    assert shares["lane marking"] == "#{:02x}{:02x}{:02x}".format(*LABELS.classes[1].color)


def frames_of(path: Path) -> tuple[list[float], tuple[int, int]]:
    av = pytest.importorskip("av", reason="PyAV (the extra video) is not installed")
    with av.open(str(path)) as file:
        [stream] = file.streams.video
        assert stream.codec_context.name == "h264"
        times = [frame.time for frame in file.decode(stream)]
        return times, (stream.width, stream.height)


def test_a_video_has_every_mask_at_its_time(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    run(tmp_path / "out", files={"video": path})
    times, size = frames_of(path)
    assert times == pytest.approx([(s - START) / 1e9 for s in STAMPS])
    assert size == (62, 46)
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_a_video_of_panels_is_as_large_as_they_are(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "out", files={"video": tmp_path / "a.mp4", "video_of": "panels"})
    rgb = read_rgb(next((tmp_path / "out" / "overlays").glob("*.png")))
    answer = Segmentation(
        rgb[..., 0] * 0, rgb[..., 0] * np.float32(0), load_label_set("street"), "thermal"
    )
    rows, columns = four_up(rgb, None, answer).shape[:2]
    times, size = frames_of(tmp_path / "a.mp4")
    assert len(times) == len(STAMPS)
    assert size == (columns + columns % 2, rows + rows % 2)


@pytest.mark.parametrize(("rows", "last"), [(4, 9), (7, BAND)])
def test_a_legend_of_other_rows_does_not_squeeze_the_panels(rows: int, last: object) -> None:
    fitted = of_rows(np.full((5, 6, 3), 9, np.uint8), rows)
    assert fitted.shape == (rows, 6, 3)
    assert (fitted[:4] == 9).all()
    assert (fitted[-1] == last).all()


def scalars(path: Path, entity: str) -> dict[int, float]:
    """Frame and value of a figure in a Rerun recording."""
    chunk = pytest.importorskip("rerun.chunk", reason="rerun-sdk (the extra rerun) is missing")
    found: dict[int, float] = {}
    for part in chunk.RrdReader(path).stream().to_chunks():
        batch = part.to_record_batch()
        if part.entity_path != entity or "frame" not in batch.schema.names:
            continue
        values = batch.column(batch.schema.names.index("Scalars:scalars")).to_pylist()
        frames = batch.column(batch.schema.names.index("frame")).to_pylist()
        found.update({f: v[0] for f, v in zip(frames, values, strict=True)})
    return found


def entities(path: Path) -> dict[str, list[int]]:
    """Stamps in nanoseconds of each entity of a Rerun recording that has any."""
    chunk = pytest.importorskip("rerun.chunk", reason="rerun-sdk (the extra rerun) is missing")
    found: dict[str, list[int]] = {}
    for part in chunk.RrdReader(path).stream().to_chunks():
        batch = part.to_record_batch()
        if "stamp" in batch.schema.names:
            column = batch.column(batch.schema.names.index("stamp")).cast("int64")
            found.setdefault(part.entity_path, []).extend(column.to_pylist())
    return {name: sorted(stamps) for name, stamps in found.items()}


@pytest.fixture
def with_rerun() -> None:
    pytest.importorskip("rerun", reason="rerun-sdk (the extra rerun) is not installed")


@pytest.mark.usefixtures("with_rerun")
def test_a_rerun_recording_has_pictures_and_figures_by_stamp_and_frame(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "a.rrd"
    summary = run(tmp_path / "out", files={"rrd": path})
    stamps = entities(path)
    for entity in ("/rgb", "/x", "/mask", "/truth", "/confidence", "/ms/model"):
        assert stamps[entity] == STAMPS, entity
    assert stamps["/scores/mIoU"] == stamps["/iou/road"] == STAMPS[:3]
    assert stamps["/ms/skew"] == [s for s in STAMPS if s != STAMPS[1]]
    road = scalars(path, "/share/road")
    assert list(road) == [0, 1, 2, 3, 4, 5]
    assert np.mean(list(road.values())) == pytest.approx(summary.class_fractions["road"], abs=1e-4)
    accuracy = list(scalars(path, "/scores/pixel_accuracy").values())
    assert min(accuracy) > 0.02
    assert np.mean(accuracy) == pytest.approx(summary.pixel_accuracy, abs=1e-4)


@pytest.mark.usefixtures("with_rerun")
def test_stopped_and_resumed_the_files_are_whole_each_time(run: Run, tmp_path: Path) -> None:
    files = {"rrd": tmp_path / "a.rrd", "video": tmp_path / "a.mp4"}
    part = run(tmp_path / "out", 8, files=files)
    assert 0 < part.frames.segmented < len(STAMPS)
    count = part.frames.segmented
    assert len(frames_of(files["video"])[0]) == count
    first = scalars(files["rrd"], "/ms/model")
    assert list(first) == list(range(count))
    run(tmp_path / "out", files=files, resume=True)
    assert len(frames_of(files["video"])[0]) == len(STAMPS)
    assert entities(files["rrd"])["/mask"] == STAMPS
    again = scalars(files["rrd"], "/ms/model")
    assert {k: again[k] for k in first} == pytest.approx(first)


def test_an_error_on_the_way_leaves_no_broken_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="PyAV (the extra video) is not installed")
    monkeypatch.setattr(PageLayers, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "out", files={"video": tmp_path / "a.mp4"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.usefixtures("with_rerun")
def test_a_disk_without_room_for_rerun_is_said_and_leaves_no_part(
    run: Run, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"no room for the next frames of a\.rrd of 4 MB"):
            run(tmp_path / "out", files={"rrd": tmp_path / "a.rrd"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize(("option", "name"), [("rrd", "a.rrd"), ("video", "a.mp4")])
def test_files_in_the_way_and_other_endings_are_refused_before_anything_is_made(
    run: Run, tmp_path: Path, option: str, name: str
) -> None:
    pytest.importorskip({"rrd": "rerun", "video": "av"}[option], reason="the extra is missing")
    there = tmp_path / name
    there.write_text("mine")
    with pytest.raises(OutputError, match=f"{name} already exists; .*--force"):
        run(tmp_path / "out", files={option: there})
    with pytest.raises(InputError, match=f"--{option} .*drive has not the ending"):
        run(tmp_path / "out", files={option: tmp_path / "drive"})
    with pytest.raises(OutputError, match="nowhere is no folder; make it"):
        run(tmp_path / "out", files={option: tmp_path / "nowhere" / name})
    assert there.read_text() == "mine"
    assert not (tmp_path / "out").exists()
    run(tmp_path / "out", files={option: there}, force=True)
    assert there.stat().st_size > 500


@pytest.mark.parametrize(("option", "module"), [("rrd", "rerun"), ("video", "av")])
def test_a_missing_package_is_named_with_its_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = {"rrd": "rerun", "video": "video"}[option]
    path = tmp_path / f"a{ {'rrd': '.rrd', 'video': '.mp4'}[option] }"
    with pytest.raises(InputError, match=rf"--{option} needs .*segrgbx_ros\[{extra}\]"):
        run(tmp_path / "out", files={option: path})
    assert not (tmp_path / "out").exists()


def test_force_removes_the_files_of_an_earlier_replay(
    drive: Path, model_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="PyAV (the extra video) is not installed")
    out = tmp_path / "out"
    told = ["replay", str(drive), "--modality", "thermal", "--model", str(model_folder)]
    assert cli.main([*told, "--out", str(out), "--video"]) == 0
    assert len(frames_of(out / "replay.mp4")[0]) == len(STAMPS) - 1
    assert cli.main([*told, "--out", str(out), "--force", "--no-images"]) == 0
    assert not (out / "replay.mp4").exists()
    assert (out / "foxglove_layout.json").exists()


def test_a_resumption_with_other_images_is_refused(run: Run, tmp_path: Path) -> None:
    run(tmp_path, 8)
    with pytest.raises(InputError, match="begun with images in the result bag True"):
        run(tmp_path, files={"images": False}, resume=True)
