# SPDX-License-Identifier: Apache-2.0
"""Surfaces of messages: from serialised bytes to arrays, as a replay reads them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np

from fuzz.mutate import bytes_changed
from fuzz.surface import Surface, need
from segrgbx_core.encoding import encode
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.readings import Planes
from segrgbx_ros.bags.cameras import TF_TYPE, transform_between
from segrgbx_ros.messages.cameras import camera_from_info
from segrgbx_ros.messages.clouds import CloudView
from segrgbx_ros.messages.images import (
    check_whole,
    image_message,
    labels_from_message,
    rgb_from_message,
    stamp_ns,
)
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    LABEL_INFO,
    POINT_CLOUD,
    deserialized,
    header,
    label_info,
    message,
    typestore,
)
from segrgbx_ros.truth.recorded import names_of

RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 8, 12
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
WARM = RNG.integers(27_000, 33_000, (HEIGHT, WIDTH)).astype(np.uint16)
CAMERA = CameraModel(WIDTH, HEIGHT, np.array([9.0, 0, 6, 0, 9, 4, 0, 0, 1]))
_HEADER = header(1_700_000_000_123_456_789, "camera")


def _bytes(msg: Any, kind: str) -> bytes:
    return bytes(typestore().serialize_cdr(msg, kind))


def image_bytes(array: np.ndarray, encoding: str) -> bytes:
    return _bytes(image_message(array, encoding, _HEADER), IMAGE)


def _compressed(data: bytes, form: str) -> bytes:
    pixels = np.frombuffer(data, np.uint8)
    msg = message(COMPRESSED_IMAGE, header=_HEADER, format=form, data=pixels)
    return _bytes(msg, COMPRESSED_IMAGE)


def _rgb_images() -> Sequence[bytes]:
    flat = RGB[..., 0]
    deep = RGB.astype(np.uint16) << 8
    yuv = np.ascontiguousarray(RGB[..., :2]).reshape(HEIGHT, WIDTH * 2)
    nv12 = message(
        IMAGE, header=_HEADER, height=HEIGHT, width=WIDTH, encoding="nv12", is_bigendian=0,
        step=WIDTH, data=RNG.integers(0, 256, HEIGHT * 3 // 2 * WIDTH).astype(np.uint8),
    )  # fmt: skip
    images = [image_bytes(RGB, "rgb8"), image_bytes(RGB, "bgr8"), image_bytes(flat, "bayer_rggb8")]
    return [*images, image_bytes(deep, "rgb16"), _bytes(nv12, IMAGE), _of_width(yuv, "yuv422")]


def _of_width(array: np.ndarray, encoding: str) -> bytes:
    msg = message(
        IMAGE, header=_HEADER, height=HEIGHT, width=WIDTH, encoding=encoding, is_bigendian=0,
        step=array.shape[1], data=array.reshape(-1),
    )  # fmt: skip
    return _bytes(msg, IMAGE)


def _x_images() -> Sequence[bytes]:
    metres = (WARM.astype(np.float32) - 26_000) / 1000
    return [
        image_bytes(WARM, "mono16"),
        image_bytes(RGB[..., 0], "mono8"),
        image_bytes(metres, "32FC1"),
        image_bytes(WARM, "16UC1"),
        image_bytes(RGB, "rgb8"),
    ]


def _pictures() -> Sequence[bytes]:
    forms = ((".png", RGB), (".jpg", RGB), (".png", WARM), (".tiff", WARM), (".webp", RGB))
    return [
        _compressed(cv2.imencode(suffix, image)[1].tobytes(), f"x; {suffix[1:]} compressed")
        for suffix, image in forms
    ]


def _depth_pictures() -> Sequence[bytes]:
    png = bytes(12) + cv2.imencode(".png", WARM)[1].tobytes()
    quantised = np.array([100.0, -1.0], np.float32).tobytes()
    rvl = np.array([WIDTH, HEIGHT], "<u4").tobytes() + bytes.fromhex("00048cc0" * 30)
    zeros = np.array([7, 1], "<u4").tobytes() + bytes.fromhex("00000070")
    return [
        _compressed(png, "16UC1; compressedDepth png"),
        _compressed(bytes(4) + quantised + png[12:], "32FC1; compressedDepth png"),
        _compressed(bytes(12) + rvl, "16UC1; compressedDepth rvl"),
        _compressed(bytes(12) + zeros, "16UC1; compressedDepth rvl"),
    ]


def _clouds() -> Sequence[bytes]:
    points = RNG.uniform(0.5, 4, (20, 4)).astype(np.float32)
    fields = [
        message("sensor_msgs/msg/PointField", name=n, offset=4 * i, datatype=7, count=1)
        for i, n in enumerate(("x", "y", "z", "intensity"))
    ]
    msg = message(
        POINT_CLOUD, header=_HEADER, height=2, width=10, fields=fields, is_bigendian=False,
        point_step=16, row_step=160, data=points.view(np.uint8).reshape(-1), is_dense=True,
    )  # fmt: skip
    return [_bytes(msg, POINT_CLOUD)]


def _infos() -> Sequence[bytes]:
    made = []
    for model, d in (
        ("plumb_bob", [0.1, 0.01, 0, 0, 0]),
        ("rational_polynomial", [0.1, 0.01, 0, 0, 0.01, 0.1, 0, 0, 0, 0, 0, 0, 0.01, 0]),
        ("equidistant", [0.1, 0, 0, 0]),
    ):
        k = CAMERA.k.ravel()
        roi = message(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0,
            do_rectify=False,
        )  # fmt: skip
        info = message(
            CAMERA_INFO, header=_HEADER, height=HEIGHT, width=WIDTH, distortion_model=model,
            d=np.array(d), k=k, r=np.eye(3).ravel(),
            p=np.append(k.reshape(3, 3), [[0]] * 3, 1).ravel(),
            binning_x=0, binning_y=0, roi=roi,
        )  # fmt: skip
        made.append(_bytes(info, CAMERA_INFO))
    return made


def _transforms() -> Sequence[bytes]:
    vector = message("geometry_msgs/msg/Vector3", x=0.1, y=0.0, z=0.0)
    turn = message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    pose = message("geometry_msgs/msg/Transform", translation=vector, rotation=turn)
    stamped = message(
        "geometry_msgs/msg/TransformStamped", header=_HEADER, child_frame_id="x", transform=pose
    )
    return [_bytes(message(TF_TYPE, transforms=[stamped, stamped]), TF_TYPE)]


def _label_infos() -> Sequence[bytes]:
    return [_bytes(label_info(load_label_set("street"), _HEADER), LABEL_INFO)]


def check_planes(planes: Planes) -> None:
    """Raises WrongResultError for planes that the model must not be given."""
    data, valid = planes.data, planes.valid
    need(data.dtype == np.float32 and data.shape == (3, *valid.shape), "planes of another form")
    need(np.isfinite(data).all() and data.min() >= 0 and data.max() <= 1, "planes outside 0..1")
    need(not data[:, ~valid].any(), "planes with values where invalid")


def _read_rgb(kind: str, data: bytes) -> None:
    msg = deserialized(data, kind)
    stamp_ns(msg.header)
    check_whole(msg, "/rgb")
    rgb = rgb_from_message(msg, "/rgb")
    need(rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3, f"RGB {rgb.shape}")
    if kind == IMAGE:
        need(rgb.shape[:2] == (msg.height, msg.width), f"RGB {rgb.shape} of another size")


def _read_x(kind: str, modalities: Sequence[str], data: bytes) -> None:
    msg = deserialized(data, kind)
    refusal: SegRgbxError | None = None
    for modality in modalities:
        decode = XDecoder(modality, "/x", cloud_view=CloudView(CAMERA, np.eye(4)))
        try:
            check_planes(encode(modality, decode(msg, (HEIGHT, WIDTH))))
        except SegRgbxError as err:
            refusal = err
    if refusal is not None:
        raise refusal


def _read_labels(data: bytes) -> None:
    labels = labels_from_message(deserialized(data, IMAGE), "/gt")
    need(labels.dtype == np.uint8 and labels.ndim == 2, f"labels {labels.shape}")


def _read_names(data: bytes) -> None:
    names = names_of(data)
    need(all(isinstance(name, str) for name in names.values()), "names of another type")


def _read_camera(data: bytes) -> None:
    camera = camera_from_info(deserialized(data, CAMERA_INFO), "/info")
    need(camera.width >= 1 and np.isfinite(camera.k).all(), "camera")
    points = np.array([[0.1, -0.2], [0.05, 0.1], [1.0, 2.0]])
    camera.project(points)
    if camera.width * camera.height < 10_000:
        need(camera.rays.shape == (camera.height, camera.width, 2), "rays")


def _read_transform(data: bytes) -> None:
    msg = deserialized(data, TF_TYPE)
    matrix = transform_between(msg.transforms, "camera", "x")
    need(matrix is None or np.isfinite(matrix).all(), "a transform that is not finite")


_DEPTH = ("depth",)
_IMAGED = ("thermal", "depth", "polarization", "light_field")


def surfaces() -> Sequence[Surface]:
    """One for each kind of message."""
    change = bytes_changed
    return (
        Surface("rgb-image", _rgb_images, partial(_read_rgb, IMAGE), change),
        Surface("rgb-picture", _pictures, partial(_read_rgb, COMPRESSED_IMAGE), change),
        Surface("x-image", _x_images, partial(_read_x, IMAGE, _IMAGED), change),
        Surface("x-picture", _pictures, partial(_read_x, COMPRESSED_IMAGE, _IMAGED), change),
        Surface("compressed-depth", _depth_pictures, partial(_read_x, COMPRESSED_IMAGE, _DEPTH)),
        Surface("cloud", _clouds, partial(_read_x, POINT_CLOUD, _DEPTH), change),
        Surface("label-image", lambda: [image_bytes(RGB[..., 0], "mono8")], _read_labels, change),
        Surface("label-info", _label_infos, _read_names, change),
        Surface("camera-info", _infos, _read_camera, change),
        Surface("transforms", _transforms, _read_transform, change),
    )
