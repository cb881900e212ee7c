# SPDX-License-Identifier: Apache-2.0
"""Recorded messages and topics, and the checked content of `metadata.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import cast

from segrgbx_core.errors import BagError, guarded
from segrgbx_core.files.disk import refuse_pointer
from segrgbx_core.files.yaml import yaml_texts

METADATA_FILE = "metadata.yaml"
MOST_BYTES = 1 << 22
COMPRESSION = "zstd"


@dataclass(frozen=True)
class BagMessage:
    """One recorded message; data: its CDR bytes."""

    topic: str
    msgtype: str
    log_time_ns: int
    data: bytes


@dataclass(frozen=True)
class BagTopic:
    """One topic of a recording; count: number of readable messages."""

    name: str
    msgtype: str
    count: int


@dataclass(frozen=True)
class BagMetadata:
    """The content of `metadata.yaml` that the data files do not say themselves.

    files: names of the data files in the order of recording. topics: as listed there, with the
    number of messages recorded.
    """

    files: tuple[str, ...]
    topics: tuple[BagTopic, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of recorded messages by topic."""
        counts: dict[str, int] = {}
        for topic in self.topics:
            counts[topic.name] = counts.get(topic.name, 0) + topic.count
        return counts


def _refused(path: Path, why: str) -> BagError:
    return BagError(
        f"{path} cannot be used ({why}); write it again with 'ros2 bag reindex', or give the "
        "recording's .mcap or .db3 file itself."
    )


def read_metadata(path: Path) -> BagMetadata:
    """The checked content of a `metadata.yaml`.

    QoS, hashes and the storage's name are left out: the data files have them, and hold their
    messages whether or not the two agree. Raises BagError if the file is invalid or larger than
    4 MiB, and for a compression other than zstd.
    """
    try:
        info = _content(path)["rosbag2_bagfile_information"]
        files = tuple(PurePath(_text(name)).name for name in _list(info["relative_file_paths"]))
        topics = tuple(_topic(each) for each in _list(info["topics_with_message_count"]))
        mode, packed = (str(info.get(f"compression_{key}") or "") for key in ("mode", "format"))
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise _refused(path, f"missing or invalid: {str(err)[:200]}") from err
    if not files:
        raise _refused(path, "it names no data file")
    if mode.lower() in ("file", "message") and packed != COMPRESSION:
        raise BagError(
            f"{path.parent} is compressed with '{packed[:40]}'; expected {COMPRESSION}: write it "
            "again with 'ros2 bag convert', without compression."
        )
    return BagMetadata(files, topics)


def _content(path: Path) -> dict[str, dict[str, object]]:
    """The YAML with every scalar as text, so that dates and tags are nothing special."""
    if path.stat().st_size > MOST_BYTES:
        raise _refused(path, f"it has more than {MOST_BYTES >> 20} MiB")
    with guarded(str(path), BagError, str(_refused(path, "it is not readable YAML"))):
        try:
            data = path.read_bytes()
        except PermissionError as err:
            raise BagError(f"{path} cannot be read: permission is denied.") from err
        refuse_pointer(path, data, BagError)
        return cast(dict[str, dict[str, object]], yaml_texts(data))


def _topic(listed: object) -> BagTopic:
    if not isinstance(listed, dict):
        raise TypeError("a topic is no mapping")
    topic = listed["topic_metadata"]
    count = int(_text(listed["message_count"]))
    if not 0 <= count < 1 << 63:
        raise ValueError(f"a message count of {str(count)[:40]}")
    return BagTopic(_text(topic["name"]), _text(topic["type"]), count)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("a word or mapping where a list is expected")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a list or mapping where a word is expected")
    return value
