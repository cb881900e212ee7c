# SPDX-License-Identifier: Apache-2.0
"""Writes recordings: a thin layer over rosbags, and the topics of a replay's result."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import quote

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.rosbag2.enums import CompressionMode
from rosbags.rosbag2.storage_mcap import McapWriter, PendingChunk
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer

from segrgbx_core.errors import BagError, OutputError
from segrgbx_core.files.disk import disk_errors, make_room
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.messages.cameras import CameraInfoMessage
from segrgbx_ros.messages.images import CompressedImageMessage, image_message
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    LABEL_INFO,
    STATUS,
    Header,
    label_info,
    typestore,
)
from segrgbx_ros.pipeline import FramePictures

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
# Humble and Jazzy both read metadata version 8; Humble cannot parse the QoS of version 9.
METADATA_VERSION: Literal[8] = 8


def _qos(durability: QosDurability, depth: int) -> Qos:
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=forever,
        lifespan=forever,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=forever,
        avoid_ros_namespace_conventions=False,
    )


STREAM_QOS = _qos(QosDurability.VOLATILE, 10)
LATCHED_QOS = _qos(QosDurability.TRANSIENT_LOCAL, 1)
RGB_PICTURES, X_PICTURES = IMAGE_TOPICS = ("/segrgbx/rgb/compressed", "/segrgbx/x/compressed")


class _SqliteWriter(Sqlite3Writer):
    """rosbags puts the path into a URI as it is, where #, ? and % have meanings of their own."""

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(Path(quote(str(path))), compression)
        self.path = path / f"{path.name}.db3"


class _McapWriter(McapWriter):
    """Writes each chunk whole or not at all, and again in the room of an offered reserve."""

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(path, compression)
        self.bio.flush()

    def close_chunk(self) -> None:
        """A chunk that the disk refuses stays pending."""
        start, chunk, written = self.bio.tell(), self.chunk, len(self.chunks)
        try:
            self._flushed_chunk()
        except OSError:
            self._back_to(start, chunk, written)
            if not make_room():
                raise
            try:
                self._flushed_chunk()
            except OSError:
                self._back_to(start, chunk, written)
                raise

    def _flushed_chunk(self) -> None:
        super().close_chunk()
        self.bio.flush()

    def _back_to(self, start: int, chunk: PendingChunk, written: int) -> None:
        number = os.dup(self.bio.fileno())
        self.bio.raw.close()  # what is left in the buffer shall not be written
        os.ftruncate(number, start)
        os.lseek(number, start, os.SEEK_SET)
        self.bio = os.fdopen(number, "wb")
        self.chunk = chunk
        del self.chunks[written:]


class _Writer(Writer):
    STORAGE_PLUGINS = {  # noqa: RUF012
        **Writer.STORAGE_PLUGINS,
        StoragePlugin.SQLITE3: _SqliteWriter,
        StoragePlugin.MCAP: _McapWriter,
    }


class BagWriter:
    """A new recording in a folder that does not exist yet.

    storage: "mcap" or "sqlite3". Raises BagError for an unknown storage or an existing folder,
    OutputError if writing fails.
    """

    def __init__(self, folder: Path, storage: str = "mcap") -> None:
        if storage not in STORAGES:
            raise BagError(f"Storage '{storage}' is unknown; expected {' or '.join(STORAGES)}.")
        self.folder = folder
        self._connections: dict[str, Connection] = {}
        self._refused = False
        try:
            self._writer = _Writer(
                folder, version=METADATA_VERSION, storage_plugin=STORAGES[storage]
            )
            with disk_errors(folder):
                self._writer.open()
        except WriterError as err:
            raise BagError(f"{folder} exists already; choose another place for the bag.") from err

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, OutputError):
            with _quietly():
                self._writer.abort()
            return
        try:
            with disk_errors(self.folder):
                self._writer.close()
        except OutputError:
            with _quietly():
                self._writer.abort()
            if not self._refused:
                raise

    def add_topic(self, topic: str, msgtype: str, qos: Qos = STREAM_QOS) -> None:
        """Declares a topic; `write` requires it."""
        with disk_errors(self.folder):
            self._connections[topic] = self._writer.add_connection(
                topic, msgtype, typestore=typestore(), offered_qos_profiles=[qos]
            )

    def write(self, topic: str, log_time_ns: int, msg: object) -> None:
        """Appends a message of the type that the topic was declared with."""
        connection = self._connections[topic]
        self.write_raw(topic, log_time_ns, typestore().serialize_cdr(msg, connection.msgtype))

    def write_raw(self, topic: str, log_time_ns: int, data: bytes | memoryview) -> None:
        """Appends a message that is serialised already, on a topic of its type.

        Where the disk refuses it, closing the recording keeps what was written before.
        """
        try:
            with disk_errors(self.folder):
                self._writer.write(self._connections[topic], log_time_ns, data)
        except OutputError:
            self._refused = True
            raise


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppresses errors of the disk after a first one, which is already being raised."""
    try:
        yield
    except (OSError, sqlite3.Error):
        return


class ResultWriter:
    """Writes the result of a replay as a recording, with the topics of the live node.

    Every header is that of the RGB image. label_info is written once, before the first mask.
    images: of IMAGE_TOPICS, those that every frame has.
    """

    TOPICS = (
        ("/segrgbx/label_info", LABEL_INFO, LATCHED_QOS),
        ("/segrgbx/mask", IMAGE, STREAM_QOS),
        ("/segrgbx/confidence", IMAGE, STREAM_QOS),
        ("/segrgbx/overlay", IMAGE, STREAM_QOS),
        ("/segrgbx/status", STATUS, STREAM_QOS),
    )
    CAMERA_INFO_TOPIC = "/segrgbx/camera_info"

    def __init__(
        self,
        folder: Path,
        label_set: LabelSet,
        with_camera_info: bool,
        images: Iterable[str] = (),
    ) -> None:
        self._label_set = label_set
        self._bag = BagWriter(folder)
        self._labels_written = False
        for topic in self.TOPICS:
            self._bag.add_topic(*topic)
        if with_camera_info:
            self._bag.add_topic(self.CAMERA_INFO_TOPIC, CAMERA_INFO)
        for name in images:
            self._bag.add_topic(name, COMPRESSED_IMAGE)

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bag.__exit__(kind, value, trace)

    def write_outputs(
        self,
        log_time_ns: int,
        header: Header,
        outputs: FramePictures,
        camera_info: CameraInfoMessage | None,
        images: Mapping[str, CompressedImageMessage] | None = None,
    ) -> None:
        """Writes mask, confidence and overlay with the given header, calibration and images."""
        if not self._labels_written:
            info = label_info(self._label_set, header)
            self._bag.write("/segrgbx/label_info", log_time_ns, info)
            self._labels_written = True
        for name, array, encoding in (
            ("mask", outputs.mask, "mono8"),
            ("confidence", outputs.confidence, "mono8"),
            ("overlay", outputs.overlay, "rgb8"),
        ):
            msg = image_message(array, encoding, header)
            self._bag.write(f"/segrgbx/{name}", log_time_ns, msg)
        if camera_info is not None:
            self._bag.write(self.CAMERA_INFO_TOPIC, log_time_ns, camera_info)
        for topic, image in (images or {}).items():
            self._bag.write(topic, log_time_ns, image)

    def write_again(self, messages: Iterable[BagMessage]) -> None:
        """Writes what an earlier replay wrote for a frame, label_info included, as it is."""
        for message in messages:
            self._bag.write_raw(message.topic, message.log_time_ns, message.data)
        self._labels_written = True

    def write_status(self, log_time_ns: int, status: object) -> None:
        """Writes the status of the mask just written."""
        self._bag.write("/segrgbx/status", log_time_ns, status)
