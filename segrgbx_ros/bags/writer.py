# SPDX-License-Identifier: Apache-2.0
"""Writing recordings: one small layer over rosbags, and the topics of a result."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, cast

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

from segrgbx_core.errors import BagError, OutputError
from segrgbx_core.files.disk import disk_errors
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_ros.messages.images import Header, image_message
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    IMAGE,
    LABEL_INFO,
    STATUS,
    label_info,
    typestore,
)
from segrgbx_ros.pipeline import Pictures

if TYPE_CHECKING:
    from rosbags.typesys.store import Msg

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
# Metadata version 8 is read by Humble and Jazzy alike; 9 spells QoS in a way Humble cannot read.
METADATA_VERSION: Literal[8] = 8


def _qos(durability: QosDurability, depth: int) -> Qos:
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        depth,
        QosReliability.RELIABLE,
        durability,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )


STREAM_QOS = _qos(QosDurability.VOLATILE, 10)
LATCHED_QOS = _qos(QosDurability.TRANSIENT_LOCAL, 1)


class BagWriter:
    """A new recording in a folder that does not exist yet.

    storage: "mcap" or "sqlite3". Raises BagError for another storage or a folder that exists,
    OutputError where the disk refuses.
    """

    def __init__(self, folder: Path, storage: str = "mcap") -> None:
        if storage not in STORAGES:
            raise BagError(f"Storage '{storage}' is unknown; expected {' or '.join(STORAGES)}.")
        self.folder = folder
        self._connections: dict[str, Connection] = {}
        try:
            self._writer = Writer(
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
        with disk_errors(self.folder):
            self._writer.close()

    def add_topic(self, topic: str, msgtype: str, qos: Qos = STREAM_QOS) -> None:
        """Announces a topic; `write` needs it."""
        with disk_errors(self.folder):
            self._connections[topic] = self._writer.add_connection(
                topic, msgtype, typestore=typestore(), offered_qos_profiles=[qos]
            )

    def write(self, topic: str, log_time_ns: int, msg: "Msg") -> None:
        """Appends a message of the type the topic was announced with."""
        connection = self._connections[topic]
        data = typestore().serialize_cdr(msg, connection.msgtype)
        with disk_errors(self.folder):
            self._writer.write(connection, log_time_ns, data)


@contextmanager
def _quietly() -> Iterator[None]:
    """The disk has already refused, and that error is on its way; a second one adds nothing."""
    try:
        yield
    except (OSError, sqlite3.Error):
        return


class ResultWriter:
    """The result of a replay as a recording, with the topics the live node publishes.

    Every header is the RGB image's own. label_info is written once, before the first mask.
    """

    TOPICS = (
        ("/segrgbx/label_info", LABEL_INFO, LATCHED_QOS),
        ("/segrgbx/mask", IMAGE, STREAM_QOS),
        ("/segrgbx/confidence", IMAGE, STREAM_QOS),
        ("/segrgbx/overlay", IMAGE, STREAM_QOS),
        ("/segrgbx/status", STATUS, STREAM_QOS),
    )
    CAMERA_INFO_TOPIC = "/segrgbx/camera_info"

    def __init__(self, folder: Path, label_set: LabelSet, with_camera_info: bool) -> None:
        self._label_set = label_set
        self._bag = BagWriter(folder)
        self._labels_written = False
        for topic in self.TOPICS:
            self._bag.add_topic(*topic)
        if with_camera_info:
            self._bag.add_topic(self.CAMERA_INFO_TOPIC, CAMERA_INFO)

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
        self, log_time_ns: int, header: Header, outputs: Pictures, camera_info: "Msg | None"
    ) -> None:
        """Mask, confidence, overlay and the camera's calibration with the mask's header."""
        if not self._labels_written:
            info = label_info(self._label_set, cast("Msg", header))
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

    def write_status(self, log_time_ns: int, status: "Msg") -> None:
        """How the mask just written came about."""
        self._bag.write("/segrgbx/status", log_time_ns, status)
