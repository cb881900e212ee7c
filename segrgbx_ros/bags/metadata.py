# SPDX-License-Identifier: Apache-2.0
"""Recorded messages, and the checked content of `metadata.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import yaml

from segrgbx_core.errors import BagError

METADATA_FILE = "metadata.yaml"
DATA_SUFFIXES = (".mcap", ".db3")


@dataclass(frozen=True)
class BagMessage:
    """One recorded message; data: its CDR bytes."""

    topic: str
    msgtype: str
    log_time_ns: int
    data: bytes


@dataclass(frozen=True)
class BagMetadata:
    """The content of `metadata.yaml`.

    files: the data files in the order of recording. counts: number of recorded messages by topic.
    messages_compressed: each message is a separate zstd frame.
    """

    files: tuple[Path, ...]
    counts: Mapping[str, int]
    messages_compressed: bool


def _refused(path: Path, why: str) -> BagError:
    return BagError(
        f"{path} cannot be used ({why}); write it again with 'ros2 bag reindex', or give the "
        "recording's .mcap or .db3 file itself."
    )


def read_metadata(folder: Path) -> BagMetadata:
    """The checked content of the folder's `metadata.yaml`.

    Raises BagError if the file is missing or invalid, or lists a data file that does not exist.
    """
    path = folder / METADATA_FILE
    if not path.is_file():
        held = sorted(p.name for p in folder.iterdir() if p.suffix in DATA_SUFFIXES)
        way_out = (
            f"give its data file instead ({', '.join(held)}) or run 'ros2 bag reindex'"
            if held
            else "a recording is a folder with metadata.yaml, or one .mcap or .db3 file"
        )
        raise BagError(f"{folder} has no {METADATA_FILE}, so it is not a recording; {way_out}.")
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise _refused(path, "it is not readable YAML") from err
    try:
        info = content["rosbag2_bagfile_information"]
        files = tuple(folder / PurePath(name).name for name in info["relative_file_paths"])
        counts: dict[str, int] = {}
        for topic in info["topics_with_message_count"]:
            name = str(topic["topic_metadata"]["name"])
            counts[name] = counts.get(name, 0) + int(topic["message_count"])
        compressed = str(info.get("compression_mode") or "").lower() == "message"
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise _refused(path, f"missing or invalid: {err}") from err
    if not files:
        raise _refused(path, "it names no data file")
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise BagError(
            f"{path} names {', '.join(missing)}, which is not in the folder; copy the recording "
            "again, with all its files."
        )
    return BagMetadata(files, counts, compressed)
