# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can act on: each message is one sentence that ends with the remedy."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SegRgbxError(Exception):
    """Base class of errors caused by input, files or settings, not by a defect."""


class InputError(SegRgbxError):
    """An image, reading or command argument cannot be used as given."""


class ModelError(SegRgbxError):
    """A model folder, card or weights file cannot be used as given."""


class LabelError(SegRgbxError):
    """A label set or a label image cannot be used as given."""


class RecipeError(SegRgbxError):
    """A training recipe cannot be used as given."""


class BagError(SegRgbxError):
    """A recording cannot be read or written as requested."""


class OutputError(SegRgbxError):
    """Results cannot be written to the requested place."""


@contextmanager
def memory_errors(where: str, way_out: str) -> Iterator[None]:
    """Turns an out-of-memory error of the block into one sentence; other errors pass unchanged.

    where: what was being done. way_out: with which settings, and what to change. Raises
    SegRgbxError.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as err:
        if not _is_out_of_memory(err):
            raise
        raise SegRgbxError(f"Memory ran out {where} {way_out}.") from err


@contextmanager
def guarded(what: str, error: type[SegRgbxError], sentence: str) -> Iterator[None]:
    """Turns whatever a parser throws in the block into `error`; errors of ours pass unchanged.

    The one guard at each border where foreign bytes are parsed. what: the thing that is read, if
    memory runs out for it. sentence: the message, with the remedy; "{}" in it becomes the name
    and the text of what was thrown.
    """
    try:
        yield
    except SegRgbxError:
        raise
    except Exception as err:
        if _is_out_of_memory(err):
            raise error(f"Memory ran out while {what} was read; free some, or give less.") from err
        cause = f"{type(err).__name__}: {err}".partition("\n")[0][:_LONGEST_CAUSE].rstrip(".: ")
        raise error(sentence.replace("{}", cause)) from err


_LONGEST_CAUSE = 200


def _is_out_of_memory(err: BaseException) -> bool:
    """Whether memory ran out; torch on the CPU and OpenCV show this only in their messages."""
    said = ("can't allocate memory", "Insufficient memory")
    if isinstance(err, MemoryError) or any(words in str(err) for words in said):
        return True
    # torch's own error class exists only if torch is loaded; the scenes work without it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(err, torch.OutOfMemoryError)
