# SPDX-License-Identifier: Apache-2.0
"""Surfaces of recordings: both kinds of data file, and their metadata."""

import tempfile
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from rosbags.rosbag2 import Writer
from rosbags.rosbag2.enums import StoragePlugin

from fuzz.messages import RGB, WARM, image_bytes
from fuzz.mutate import bytes_changed, yaml_changed
from fuzz.surface import Surface, as_file, need
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.messages.types import IMAGE, typestore

_STAMP = 1_700_000_000_000_000_000
COUNT = 4


@cache
def _recording(storage: StoragePlugin) -> dict[str, bytes]:
    """The files of a small recording, by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bag"
        with Writer(path, version=9, storage_plugin=storage) as writer:
            for topic, data in (
                ("/rgb", image_bytes(RGB, "rgb8")),
                ("/x", image_bytes(WARM, "mono16")),
            ):
                connection = writer.add_connection(topic, IMAGE, typestore=typestore())
                for i in range(COUNT):
                    writer.write(connection, _STAMP + i * 10**8, data)
        return {file.name: file.read_bytes() for file in path.iterdir()}


def _data(storage: StoragePlugin) -> Sequence[bytes]:
    return [data for name, data in _recording(storage).items() if name != "metadata.yaml"]


def _metadata() -> Sequence[bytes]:
    return [_recording(storage)["metadata.yaml"] for storage in StoragePlugin]


def _count(path: Path) -> None:
    with BagReader(path) as bag:
        names = [topic.name for topic in bag.topics]
        read = sum(1 for _ in bag.messages(names))
        need(bag.duration_s >= 0, "a duration below 0")
        need(read <= 100 * COUNT, "more messages than were written")
        need(bag.loss is None or bag.loss.endswith("."), "a loss that is no sentence")


def _read_data(name: str, data: bytes) -> None:
    with as_file(data, name) as path:
        _count(path)


def _read_metadata(data: bytes) -> None:
    with as_file(data, "metadata.yaml") as path:
        for storage in StoragePlugin:
            for name, content in _recording(storage).items():
                if name != "metadata.yaml" and not (path.parent / name).exists():
                    (path.parent / name).write_bytes(content)
        _count(path.parent)


def surfaces() -> Sequence[Surface]:
    """One for each kind of file."""
    sqlite, mcap = StoragePlugin.SQLITE3, StoragePlugin.MCAP
    return (
        Surface("bag-db3", partial(_data, sqlite), partial(_read_data, "a.db3"), bytes_changed),
        Surface("bag-mcap", partial(_data, mcap), partial(_read_data, "a.mcap"), bytes_changed),
        Surface("bag-metadata", _metadata, _read_metadata, yaml_changed),
    )
