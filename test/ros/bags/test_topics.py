# SPDX-License-Identifier: Apache-2.0
"""Finding topics by type and name, in small recordings."""

from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.errors import BagError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.scenes import PinholeCamera
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import camera_info
from segrgbx_ros.bags.topics import TopicsTaken, find_topics, untaken_truth
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    EVENT_PACKET,
    IMAGE,
    LABEL_INFO,
    POINT_CLOUD,
    header,
    label_info,
    message,
)

HEAD = header(1_000_000_000, "camera")
CAMERA = PinholeCamera(width=2, height=2, fx=1.0, fy=1.0, cx=0.5, cy=0.5, frame_id="camera")


def bag_with(folder: Path, *topics: str, empty: tuple[str, ...] = ()) -> Path:
    """A recording with one message per topic; the end of the name gives the type."""
    folder.mkdir(exist_ok=True)
    path = folder / "bag"
    contents = {
        IMAGE: image_message(np.zeros((2, 2), np.uint8), "mono8", HEAD),
        COMPRESSED_IMAGE: message(
            COMPRESSED_IMAGE, header=HEAD, format="png", data=np.zeros(1, np.uint8)
        ),
        CAMERA_INFO: camera_info(CAMERA, HEAD),
        LABEL_INFO: label_info(load_label_set("street"), HEAD),
        EVENT_PACKET: message(
            EVENT_PACKET,
            header=HEAD,
            height=2,
            width=2,
            seq=0,
            time_base=0,
            encoding="mono",
            is_bigendian=False,
            events=np.zeros(0, np.uint8),
        ),
        POINT_CLOUD: message(
            POINT_CLOUD,
            header=HEAD,
            height=1,
            width=0,
            fields=[],
            is_bigendian=False,
            point_step=12,
            row_step=0,
            data=np.zeros(0, np.uint8),
            is_dense=True,
        ),
    }
    with BagWriter(path) as bag:
        for topic in (*topics, *empty):
            kind = IMAGE
            for end, other in (
                ("compressed", COMPRESSED_IMAGE),
                ("camera_info", CAMERA_INFO),
                ("label_info", LABEL_INFO),
                ("events", EVENT_PACKET),
                ("points", POINT_CLOUD),
            ):
                kind = other if topic.endswith(end) else kind
            bag.add_topic(topic, kind)
            if topic in topics:
                bag.write(topic, 1_000_000_000, contents[kind])
    return path


def topics_of(path: Path, modality: str = "thermal", **told: str) -> TopicsTaken:
    with BagReader(path) as bag:
        return find_topics(bag, modality, **told)


def test_the_usual_names(tmp_path: Path) -> None:
    path = bag_with(
        tmp_path,
        "/rgb/image_raw",
        "/rgb/camera_info",
        "/thermal/image_raw",
        "/thermal/camera_info",
        "/ground_truth/mask",
        "/ground_truth/label_info",
    )
    assert topics_of(path) == TopicsTaken(
        "/rgb/image_raw",
        "/thermal/image_raw",
        "/ground_truth/mask",
        "/ground_truth/label_info",
        "/rgb/camera_info",
        "/thermal/camera_info",
    )


@pytest.mark.parametrize(
    ("modality", "rgb", "x", "others"),
    [
        ("thermal", "/cam/color/image_raw", "/flir/image_raw", ["/cam/depth/image_rect_raw"]),
        ("depth", "/cam/color/image_raw", "/cam/aligned_depth_to_color/image_raw", ["/flir/i"]),
        ("thermal", "/front_camera/image", "/lwir/image", ["/segrgbx/overlay"]),
        ("thermal", "/rgb/image/compressed", "/ir/image/compressed", ["/segrgbx/mask"]),
    ],
)
def test_drivers_names(tmp_path: Path, modality: str, rgb: str, x: str, others: list[str]) -> None:
    taken = topics_of(bag_with(tmp_path, rgb, x, *others), modality)
    assert (taken.rgb, taken.x) == (rgb, x)
    assert taken.ground_truth is None


def test_raw_before_its_compressed_copy(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/rgb/image_raw/compressed", "/thermal/image_raw")
    assert topics_of(path).rgb == "/rgb/image_raw"


def test_calibration_of_a_compressed_topic(tmp_path: Path) -> None:
    path = bag_with(
        tmp_path, "/rgb/image_raw/compressed", "/rgb/camera_info", "/thermal/image_raw"
    )
    assert topics_of(path).camera_info == "/rgb/camera_info"


def test_modality_none_needs_no_x(tmp_path: Path) -> None:
    assert topics_of(bag_with(tmp_path, "/rgb/image_raw"), "none").x is None


def test_told_topics_are_taken(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/a", "/b", "/c", "/rgb/image_raw", "/thermal/image_raw")
    taken = topics_of(path, rgb="/a", x="/b", ground_truth="/c")
    assert (taken.rgb, taken.x, taken.ground_truth) == ("/a", "/b", "/c")


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (["/yolo/segmentation"], "/yolo/segmentation (sensor_msgs/msg/Image, 1) may hold masks"),
        (["/camera/mask"], "/camera/mask"),
        (["/net/labels/image_raw", "/semantic/image_raw"], "/semantic/image_raw"),
        (["/thermal/seg", "/rgb/label_image/compressed"], "give it as --gt-topic"),
        (["/gt/a", "/gt/b"], "Several topics may be ground truth: /gt/a"),
    ],
)
def test_masks_are_no_truth_by_themselves_and_stop_nothing(
    tmp_path: Path, others: list[str], words: str
) -> None:
    path = bag_with(tmp_path, "/camera/color/image_raw", "/thermal/image_raw", *others)
    taken = topics_of(path)
    assert (taken.rgb, taken.x) == ("/camera/color/image_raw", "/thermal/image_raw")
    assert taken.ground_truth is None
    with BagReader(path) as bag:
        assert words in str(untaken_truth(bag))
    assert topics_of(path, ground_truth=others[0]).ground_truth == others[0]


def test_nothing_is_said_where_truth_is_plain_or_absent(tmp_path: Path) -> None:
    names = ("/rgb/image_raw", "/thermal/image_raw")
    for number, others in enumerate(([], ["/gt/mask", "/net/mask"], ["/segrgbx/mask"])):
        with BagReader(bag_with(tmp_path / str(number), *names, *others)) as bag:
            assert untaken_truth(bag) is None


def test_ground_truth_can_be_left_out(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/thermal/image_raw", "/gt/a", "/gt/b")
    assert topics_of(path, ground_truth="none").ground_truth is None


def test_no_image_topic(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/camera_info")
    with pytest.raises(BagError, match=r"no image topic .*/rgb/camera_info \(sensor_msgs/"):
        topics_of(path)


def test_no_x_topic_lists_the_images(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw")
    with pytest.raises(
        BagError,
        match=r"name indicates thermal \(X\).*/rgb/image_raw \(sensor_msgs/msg/Image, 1\).*"
        "--x-topic",
    ):
        topics_of(path)


def test_no_rgb_topic_lists_the_images(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/front", "/thermal/image_raw")
    with pytest.raises(BagError, match=r"name indicates RGB.*/front .*--rgb-topic"):
        topics_of(path)


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (
            ["/left/rgb", "/right/rgb", "/thermal/a"],
            r"several .*RGB: /left/rgb .*/right/rgb.*--rgb-topic",
        ),
        (["/rgb", "/thermal/a", "/thermal/b"], r"several .*\(X\): /thermal/a .*--x-topic"),
    ],
)
def test_several_candidates_are_listed(tmp_path: Path, topics: list[str], words: str) -> None:
    with pytest.raises(BagError, match=words):
        topics_of(bag_with(tmp_path, *topics))


def test_told_topic_that_is_not_there(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/thermal/image_raw")
    with pytest.raises(BagError, match=r"/nope \(--rgb-topic\) is not in .*/rgb/image_raw"):
        topics_of(path, rgb="/nope")


def test_told_topic_that_is_no_image(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/thermal/image_raw", "/rgb/camera_info")
    with pytest.raises(BagError, match=r"\(--x-topic\) .*type sensor_msgs/msg/CameraInfo"):
        topics_of(path, x="/rgb/camera_info")


def test_one_topic_cannot_be_both(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/thermal/image_raw")
    with pytest.raises(BagError, match=r"/thermal/image_raw .*both RGB and X"):
        topics_of(path, rgb="/thermal/image_raw")


def test_empty_topic(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", empty=("/thermal/image_raw",))
    for told in ({}, {"x": "/thermal/image_raw"}):
        with pytest.raises(BagError, match=r"/thermal/image_raw has no message.*--x-topic"):
            topics_of(path, **told)


def test_an_empty_topic_gives_way_to_a_filled_one(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/thermal/b", empty=("/thermal/a",))
    assert topics_of(path).x == "/thermal/b"


def test_events_are_found_by_their_type_alone(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/prophesee/cd_events", "/event_image")
    assert topics_of(path, "event").x == "/prophesee/cd_events"


@pytest.mark.parametrize(
    ("topics", "told", "words"),
    [
        (["/a/events", "/b/events"], {}, r"several .*event \(X\): /a/events"),
        ([], {}, r"no topic .*event \(X\) \(event_camera_msgs/.*/rgb"),
        (
            ["/a/events"],
            {"x": "/rgb"},
            r"/rgb \(--x-topic\) .*sensor_msgs/msg/Image, not events",
        ),
        (["/a/events"], {"x": "/b"}, r"/b \(--x-topic\) is not in .*/a/events"),
    ],
)
def test_event_topics_that_cannot_be_taken(
    tmp_path: Path, topics: list[str], told: dict[str, str], words: str
) -> None:
    with pytest.raises(BagError, match=words):
        topics_of(bag_with(tmp_path, "/rgb", *topics), "event", **told)


def test_events_are_no_other_sensor(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb", "/events")
    with pytest.raises(BagError, match=r"/events \(--x-topic\) .*type event_camera_msgs/"):
        topics_of(path, "thermal", x="/events")


def test_a_cloud_is_depth_where_no_image_is(tmp_path: Path) -> None:
    cloud = bag_with(tmp_path / "a", "/rgb/image_raw", "/lidar/points")
    assert topics_of(cloud, "depth").x == "/lidar/points"
    both = bag_with(tmp_path / "b", "/rgb/image_raw", "/lidar/points", "/depth/image_raw")
    assert topics_of(both, "depth").x == "/depth/image_raw"
    assert topics_of(both, "depth", x="/lidar/points").x == "/lidar/points"
    with pytest.raises(BagError, match=r"sensor_msgs/msg/PointCloud2, not an image"):
        topics_of(both, "thermal", x="/lidar/points")


def test_polarization_and_light_field_by_name(tmp_path: Path) -> None:
    path = bag_with(tmp_path, "/rgb/image_raw", "/polarization/image_raw", "/light_field/tiles")
    assert topics_of(path, "polarization").x == "/polarization/image_raw"
    assert topics_of(path, "light_field").x == "/light_field/tiles"
