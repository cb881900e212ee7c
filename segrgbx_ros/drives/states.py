# SPDX-License-Identifier: Apache-2.0
"""How far a set of recordings is: `drives.json`, written anew after each task."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from segrgbx_core.errors import InputError
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_json
from segrgbx_ros.drives.plan import STATES_FILE, SetOptions
from segrgbx_ros.replay.resume import need_same

FORMAT = 1
State = Literal["waiting", "done", "empty", "failed", "interrupted"]
_ELSEWHERE = ("bag", "out", "force", "resume", "span")


@dataclass(frozen=True)
class TaskRecord:
    """A task of the set.

    name: its folder. drive: the bag's name in the set. bag: its path, as given. state: "empty"
    for a slice without a pair. sentence: why it failed or was interrupted, or what of its
    recording is lost. complete: whether all of it was read. attempts: processes that ran it, of
    which all but the last died. seconds: that the last one took.
    """

    name: str
    drive: str
    bag: str
    state: State = "waiting"
    sentence: str = ""
    complete: bool = True
    attempts: int = 0
    seconds: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.state in ("done", "empty")


@dataclass(frozen=True)
class SetStates:
    """The content of `drives.json`. begun_with: all options that the figures depend on."""

    format: int
    begun_with: Mapping[str, str]
    tasks: Sequence[TaskRecord]

    def write(self, out: Path) -> None:
        """Raises OutputError as `write_whole` does."""
        text = json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"
        write_whole(out / STATES_FILE, text.encode())

    @property
    def names(self) -> dict[str, str]:
        """The bags' names in the set, by their paths as given."""
        return {task.bag: task.drive for task in self.tasks}


def begun_with(options: SetOptions) -> dict[str, str]:
    """Everything that the figures of all bags depend on, in words, by the option's name."""
    each = {
        f.name: str(getattr(options.each, f.name))
        for f in fields(options.each)
        if f.name not in _ELSEWHERE
    }
    return {**each, "slice": str(options.slice_s)}


def read_states(out: Path) -> SetStates:
    """Reads `drives.json`. Raises InputError where there is none, or another version wrote it."""
    path = out / STATES_FILE
    if not path.is_file():
        raise InputError(
            f"{out} holds no set of recordings, so there is nothing to resume; leave out --resume."
        )
    content = read_json(path, InputError)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(
            f"{path} was written by another version; leave out --resume and add --force."
        )
    return filled(SetStates, content, str(path), InputError, whole=True)


def need_same_set(out: Path, before: SetStates, options: SetOptions) -> None:
    """Raises InputError that names an option, or a bag, that the set was begun with."""
    need_same(out, before.begun_with, begun_with(options), "set")
    given = {str(bag) for bag in options.bags}
    gone = next((bag for bag in before.names if bag not in given), None)
    if gone is not None:
        raise InputError(
            f"The set in {out} was begun with {gone}, which is not given; resume with the same, "
            "or leave out --resume and add --force."
        )
