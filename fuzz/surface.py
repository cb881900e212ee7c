# SPDX-License-Identifier: Apache-2.0
"""A surface: a place that reads what others wrote, with valid input and a check of the result."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from fuzz.mutate import Mutator, bytes_changed


class WrongResultError(Exception):
    """The input was accepted, and what came of it cannot be."""


@dataclass(frozen=True)
class Surface:
    """name: on the command line. seeds: makes valid inputs. read: reads one input as the product
    does; raises SegRgbxError for one that it refuses, WrongResultError for a result that cannot
    be, and anything else is a finding. change: makes an input from the seeds.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], None]
    change: Mutator = bytes_changed

    def valid(self) -> Sequence[bytes]:
        """The seeds, made once a process."""
        return _made(self)

    def input(self, seed: int, index: int) -> bytes:
        """Input number `index` of that seed, always the same."""
        rng = Random(f"{self.name} {seed} {index}")
        return self.change(rng, self.valid())


@cache
def _made(surface: Surface) -> tuple[bytes, ...]:
    return tuple(surface.seeds())


@contextmanager
def as_file(data: bytes, name: str) -> Iterator[Path]:
    """The input as a file of that name, alone in a folder."""
    path = _folder() / name
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@cache
def _folder() -> Path:
    """One a process: making a folder for each input would take longer than reading it."""
    return Path(_holder().name)


@cache
def _holder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="segrgbx-fuzz-")


def need(condition: object, what: str) -> None:
    """Raises WrongResultError unless the condition holds."""
    if not condition:
        raise WrongResultError(what)
