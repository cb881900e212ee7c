# SPDX-License-Identifier: Apache-2.0
"""Other EVT 3.0 decoders from PyPI, to compare with ours. None of them is required.

Two of them only read files: their times include reading a file that the system has cached.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from event_streams import HEIGHT, WIDTH, Stream

PLAIN_KINDS = (0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8)
PACKAGES = ("evt3", "expelliarmus", "evlib")


@dataclass(frozen=True)
class Other:
    """sums: the number of events and the sums of x and y, from the result of decode."""

    name: str
    decode: Callable[[], Any]
    sums: Callable[[Any], tuple[int, int, int]]


def other_decoders(stream: Stream, folder: Path) -> list[Other]:
    """The installed ones, on this stream without the words that some of them cannot read."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    words = stream.words[np.isin(stream.words >> 12, PLAIN_KINDS)]
    path = folder / f"{stream.name.replace(' ', '_')}.raw"
    head = f"% evt 3.0\n% format EVT3;height={HEIGHT};width={WIDTH}\n% end\n"
    path.write_bytes(head.encode() + words.tobytes())
    made = {"evt3": _evt3, "expelliarmus": _expelliarmus, "evlib": _evlib}
    return [made[name](words, path) for name in PACKAGES if find_spec(name) is not None]


def _evt3(words: npt.NDArray[np.uint16], path: Path) -> Other:
    del path
    module, data = import_module("evt3"), words.tobytes()
    return Other("evt3 (Rust)", lambda: module.decode_bytes(data), _columns)


def _expelliarmus(words: npt.NDArray[np.uint16], path: Path) -> Other:
    del words
    wizard = import_module("expelliarmus").Wizard(encoding="evt3")
    wizard.set_file(str(path))
    return Other(
        "expelliarmus (C, from file)",
        wizard.read,
        lambda e: (len(e), int(e["x"].sum(dtype=np.int64)), int(e["y"].sum(dtype=np.int64))),
    )


def _evlib(words: npt.NDArray[np.uint16], path: Path) -> Other:
    del words
    module = import_module("evlib")
    return Other(
        "evlib (Rust, from file)",
        lambda: module.load_events(str(path), sort=False).collect(),
        lambda e: (len(e), *(int(e[name].to_numpy().sum(dtype=np.int64)) for name in "xy")),
    )


def _columns(events: Any) -> tuple[int, int, int]:
    return len(events), *(int(v.sum(dtype=np.int64)) for v in (events.x, events.y))
