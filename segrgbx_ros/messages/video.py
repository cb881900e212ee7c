# SPDX-License-Identifier: Apache-2.0
"""Decodes video in recordings to images: ffmpeg_image_transport, foxglove's, and h264 images.

A packet may need those before it, so all are decoded in order, as they are read. PyAV does it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from segrgbx_core.files.resources import package_for
from segrgbx_ros.messages.images import (
    REPUBLISH,
    AnyImage,
    UndecodedVideo,
    image_message,
    is_video_format,
)
from segrgbx_ros.messages.types import (
    COMPRESSED_VIDEO,
    FFMPEG_PACKET,
    Header,
    message,
)

VIDEO_TYPES = (FFMPEG_PACKET, COMPRESSED_VIDEO)
_CODECS = {
    "264": "h264",
    "265": "hevc",
    "hevc": "hevc",
    "av1": "av1",
    "vp9": "vp9",
    "vp8": "vp8",
    "mpeg4": "mpeg4",
    "mjpeg": "mjpeg",
    "ffv1": "ffv1",
}
_KEY_FRAME = 1
_MOST_WAITING = 32
_GREY = {"gray": "mono8", "gray16le": "mono16"}
VideoMessage: TypeAlias = Any
"""FFMPEGPacket, CompressedVideo, or CompressedImage of a video format."""


@dataclass(frozen=True)
class _Packet:
    """header: of its image. codec: as the message names it. key: whether it needs no other."""

    header: Header
    codec: str
    data: bytes
    key: bool


def is_video(msg: Any) -> bool:
    """Whether a message is a packet of a video."""
    if getattr(msg, "__msgtype__", "") in VIDEO_TYPES:
        return True
    return hasattr(msg, "header") and is_video_format(getattr(msg, "format", ""))


def need_video_package(topic: str) -> Any:
    """PyAV. Raises InputError with the ways out where it is not installed."""
    return package_for(
        f"Topic {topic} holds video: {REPUBLISH}. To read it as it is, the replay", "av", "video"
    )


class VideoStream:
    """The images of one topic, which may be a video or images already."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._context: Any = None
        self._waiting: dict[int, _Packet] = {}
        self._count = 0

    def images(self, msg: Any) -> list[AnyImage]:
        """The images that are ready after this message; the message itself if it is no video.

        A packet that cannot be decoded becomes an UndecodedVideo. Raises InputError where PyAV is
        missing.
        """
        if not is_video(msg):
            return [msg]
        packet = _packet(msg)
        if self._context is None:
            self._context = self._decoder(packet)
        if self._context is None or (not self._count and not packet.key):
            why = "its codec is unknown" if self._context is None else "no key frame came before"
            return [self._undecoded(packet, why)]
        return self._decoded(packet)

    def flush(self) -> list[AnyImage]:
        """The images that the decoder held back, at the end of the recording."""
        if self._context is None:
            return []
        return [*self._taken(lambda: self._context.decode(None)), *self._given_up(0)]

    def _decoder(self, packet: _Packet) -> Any:
        av = need_video_package(self._topic)
        name = next((c for word, c in _CODECS.items() if word in packet.codec.lower()), None)
        if name is None:
            return None
        context = av.CodecContext.create(name, "r")
        context.thread_count = 1
        return context

    def _decoded(self, packet: _Packet) -> list[AnyImage]:
        av = need_video_package(self._topic)
        sent = av.Packet(packet.data)
        sent.pts = self._count
        self._waiting[self._count] = packet
        self._count += 1
        return [*self._taken(lambda: self._context.decode(sent)), *self._given_up(_MOST_WAITING)]

    def _taken(self, decode: Callable[[], list[Any]]) -> Iterator[AnyImage]:
        av = need_video_package(self._topic)
        try:
            frames = decode()
        except av.error.FFmpegError as err:
            packet = self._waiting.pop(self._count - 1, None)
            if packet is not None:
                yield self._undecoded(packet, (err.strerror or str(err)).lower())
            return
        for frame in frames:
            packet = self._waiting.pop(frame.pts, None)
            if packet is not None:
                yield _image(frame, packet.header)

    def _given_up(self, most: int) -> list[AnyImage]:
        """The oldest packets without an image, beyond `most` of them."""
        beyond = list(self._waiting)[: max(0, len(self._waiting) - most)]
        return [self._undecoded(self._waiting.pop(n), "it gave no image") for n in beyond]

    def _undecoded(self, packet: _Packet, why: str) -> AnyImage:
        return UndecodedVideo(
            packet.header,
            f"A video packet on topic {self._topic} ({packet.codec}, {len(packet.data)} bytes) "
            f"cannot be decoded ({why}); record whole videos from their first key frame, or "
            f"{REPUBLISH}.",
        )


def _packet(msg: VideoMessage) -> _Packet:
    data = bytes(np.frombuffer(msg.data, np.uint8))
    if hasattr(msg, "flags"):
        codec = msg.encoding.partition(";")[0].strip()
        return _Packet(msg.header, codec, data, bool(msg.flags & _KEY_FRAME))
    if hasattr(msg, "timestamp"):
        head: Header = message("std_msgs/msg/Header", stamp=msg.timestamp, frame_id=msg.frame_id)
        return _Packet(head, msg.format, data, key=True)
    return _Packet(msg.header, msg.format.strip(), data, key=True)


def _image(frame: Any, header: Header) -> AnyImage:
    """Grey formats as they are, all others as bgr8."""
    encoding = _GREY.get(frame.format.name)
    if encoding is not None:
        return image_message(frame.to_ndarray(), encoding, header)
    return image_message(frame.to_ndarray(format="bgr24"), "bgr8", header)
