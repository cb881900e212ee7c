# SPDX-License-Identifier: Apache-2.0
"""Video in recordings: decoded in order where PyAV is, named with its way out elsewhere."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core import Segmenter
from segrgbx_core.errors import BagError, InputError, SegRgbxError
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.inspection.inspect import inspect
from segrgbx_ros.messages.images import image_message, rgb_from_message, stamp_ns
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    FFMPEG_PACKET,
    header,
    message,
)
from segrgbx_ros.messages.video import VideoStream
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.run import replay

av = pytest.importorskip("av")

START, STEP = 1_700_000_000_000_000_000, 100_000_000
COUNT = 6
RGB, X = "/camera/color/image_raw/ffmpeg", "/thermal/image_raw"
Packet = tuple[bytes, bool]


def picture(k: int) -> npt.NDArray[np.uint8]:
    """(96, 128, 3), red first: a bright square that moves by 10 pixels."""
    y, x = np.mgrid[:96, :128]
    image = np.dstack([40 + x, 200 - y, 60 + y]).astype(np.uint8)
    image[30:60, 10 + 10 * k : 40 + 10 * k] = (250, 30, 30)
    return image


def encoded(b_frames: int = 0) -> list[Packet]:
    """The packets of COUNT pictures, in the order of the stream, with whether each is a key."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 128, 96, "yuv420p"
    context.framerate = 10
    context.options = {"crf": "10", "bf": str(b_frames), "tune": "" if b_frames else "zerolatency"}
    if b_frames:
        del context.options["tune"]
    packets = []
    for k in range(COUNT):
        frame = av.VideoFrame.from_ndarray(picture(k), format="rgb24")
        frame.pts = k
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.is_keyframe) for packet in packets]


def ffmpeg(k: int, packet: Packet, codec: str = "libx264") -> Any:
    return message(
        FFMPEG_PACKET, header=header(START + k * STEP, "camera"), width=128, height=96,
        encoding=codec, pts=k, flags=int(packet[1]), is_bigendian=False,
        data=np.frombuffer(packet[0], np.uint8),
    )  # fmt: skip


def foxglove(k: int, packet: Packet) -> Any:
    head = header(START + k * STEP, "camera")
    return message(
        COMPRESSED_VIDEO, timestamp=head.stamp, frame_id="camera", format="h264",
        data=np.frombuffer(packet[0], np.uint8),
    )  # fmt: skip


def image_of_h264(k: int, packet: Packet) -> Any:
    return message(
        COMPRESSED_IMAGE, header=header(START + k * STEP, "camera"), format="h264",
        data=np.frombuffer(packet[0], np.uint8),
    )  # fmt: skip


def recorded(path: Path, messages: list[Any]) -> Path:
    with BagWriter(path) as bag:
        bag.add_topic(RGB, messages[0].__msgtype__)
        bag.add_topic(X, "sensor_msgs/msg/Image")
        for k, msg in enumerate(messages):
            warm = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)
            bag.write(RGB, START + k * STEP, msg)
            thermal = image_message(warm, "mono8", header(START + k * STEP, "x"))
            bag.write(X, START + k * STEP, thermal)
    return path


@pytest.mark.parametrize("make", [ffmpeg, foxglove, image_of_h264])
def test_every_picture_comes_with_its_own_stamp(make: Callable[[int, Packet], Any]) -> None:
    stream = VideoStream("/rgb")
    images = [i for k, packet in enumerate(encoded()) for i in stream.images(make(k, packet))]
    images += stream.flush()
    assert [stamp_ns(image.header) for image in images] == [START + k * STEP for k in range(COUNT)]
    for k, image in enumerate(images):
        error = np.abs(rgb_from_message(image, "/rgb").astype(int) - picture(k))
        assert np.median(error) <= 3


def test_pictures_that_wait_for_later_packets() -> None:
    """With B-frames the stream is not in the order of the pictures; packets bring the stamps."""
    stream, packets = VideoStream("/rgb"), encoded(b_frames=2)
    images = [i for k, packet in enumerate(packets) for i in stream.images(ffmpeg(k, packet))]
    assert len(images) < COUNT
    images += stream.flush()
    assert sorted(stamp_ns(image.header) for image in images) == [
        START + k * STEP for k in range(COUNT)
    ]


@pytest.mark.parametrize("make", [ffmpeg, foxglove, image_of_h264])
def test_a_recorded_video_is_segmented(
    tmp_path: Path, segmenter: Segmenter, make: Callable[[int, Packet], Any]
) -> None:
    bag = recorded(tmp_path / "bag", [make(k, p) for k, p in enumerate(encoded())])
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert summary.topics.rgb == RGB
    assert (summary.frames.rgb_in, summary.frames.segmented) == (COUNT, COUNT)
    with BagReader(bag) as reader:
        inspection = inspect(reader)
    roles = next(t.roles for t in inspection.topics if t.name == RGB)
    assert (roles.likely, roles.width, roles.height) == ("RGB", 128, 96)
    assert roles.content is not None
    assert roles.content.startswith("video ")


def test_a_video_that_begins_within_is_taken_from_its_first_key_frame(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    first, second = encoded(), encoded()
    packets = [*first[2:], *second]
    bag = recorded(tmp_path / "bag", [ffmpeg(k, p) for k, p in enumerate(packets)])
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert summary.frames.segmented == COUNT
    assert summary.frames.dropped == {"undecodable_rgb": COUNT - 2}
    assert "no key frame came before" in summary.problems["undecodable_rgb"]


def test_damaged_packets_are_counted_and_the_way_out_is_said(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    damaged = [ffmpeg(k, (bytes(200), True)) for k in range(COUNT)]
    bag = recorded(tmp_path / "bag", damaged)
    with pytest.raises(SegRgbxError, match=rf"{RGB} \(libx264, 200 bytes\).*republish"):
        replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)


def test_an_unknown_codec_is_named() -> None:
    (image,) = VideoStream("/rgb").images(ffmpeg(0, (bytes(9), True), "dirac"))
    with pytest.raises(BagError, match=r"\(dirac, 9 bytes\) cannot be decoded \(its codec is unk"):
        rgb_from_message(image, "/rgb")


def test_without_pyav_the_topic_and_both_ways_are_named(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = recorded(tmp_path / "bag", [ffmpeg(k, p) for k, p in enumerate(encoded())])
    monkeypatch.setitem(sys.modules, "av", None)
    words = rf"{RGB} holds video: .*image_transport republish.*package av.*'segrgbx_ros\[video\]'"
    with pytest.raises(InputError, match=words):
        replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert not (tmp_path / "out").exists()
    with BagReader(bag) as reader:
        problems = inspect(reader).problems
    assert any("holds video" in problem for problem in problems)


def test_the_live_node_names_video_among_images() -> None:
    with pytest.raises(BagError, match=r"/rgb holds video \(format 'h264'\).*republish"):
        rgb_from_message(image_of_h264(0, encoded()[0]), "/rgb")
