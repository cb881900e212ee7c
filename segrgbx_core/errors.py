# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can act on: each message is one sentence that ends with the remedy."""

import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 2000


class SegRgbxError(Exception):
    """Base class of errors caused by input, files or settings, not by a defect.

    A sentence may quote what others wrote, however long; beyond 2000 letters its middle is left
    out.
    """

    def __init__(self, sentence: str = "") -> None:
        if len(sentence) > _LONGEST:
            kept = _LONGEST // 2
            sentence = f"{sentence[:kept]} [...] {sentence[-kept:]}"
        super().__init__(sentence)


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
        if not is_out_of_memory(err):
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
        if is_out_of_memory(err):
            raise error(f"Memory ran out while {what} was read; free some, or give less.") from err
        cause = f"{type(err).__name__}: {err}".partition("\n")[0][:_LONGEST_CAUSE].rstrip(".: ")
        raise error(sentence.replace("{}", cause)) from err


_LONGEST_CAUSE = 200


_MEMORY_WORDS = (
    "can't allocate memory",
    "bad_alloc",
    "bad allocation",
    "cannot allocate memory",
    "insufficient memory",
    "failed to map segment",
    "out of memory",
    "can't start new thread",
    "failed to allocate memory",
)
_MEMORY_TYPES = ("RuntimeError", "ImportError", "error", "RuntimeException", "Fail")
_NO_PRIMITIVE = "could not create a primitive"
"""oneDNN's whole message where it finds no memory; a longer one is of a shape it does not take."""


def is_out_of_memory(err: BaseException) -> bool:
    """Whether memory ran out; libraries show this only in the message of another error."""
    if isinstance(err, MemoryError) or (isinstance(err, OSError) and err.errno == errno.ENOMEM):
        return True
    # torch's own error class exists only if torch is loaded; the scenes work without it.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(err, getattr(torch, "OutOfMemoryError", ())):
        return True
    if type(err).__name__ not in _MEMORY_TYPES:
        return False
    said = str(err).lower()
    return said == _NO_PRIMITIVE or any(word in said for word in _MEMORY_WORDS)


def shortage_in_words(err: Exception) -> str | None:
    """A sentence for a lack of memory, and for a package that cannot be loaded; else None.

    Too little memory shows in many ways while packages are loaded, also as names that they lack.
    """
    limit = _address_limit()
    if _while_loading(err):
        why = f"{type(err).__name__}: {str(err).splitlines()[0] if str(err) else 'no reason'}"
        if limit is not None or is_out_of_memory(err):
            at_most = "" if limit is None else f", of which it may take {limit / 1e9:.1f} GB here"
            return (
                f"Packages could not be loaded ({why}); the process needs more memory{at_most}: "
                "free some, or raise `ulimit -v`."
            )
        return f"A package cannot be loaded ({why}); install the requirements again (make setup)."
    if is_out_of_memory(err):
        return "Memory ran out; free some, or give smaller images; files that were finished stay."
    return None


def _while_loading(err: BaseException) -> bool:
    """Whether the error came from loading a package that is not ours."""
    root = Path(__file__).parents[1]
    ours = tuple(str(root / name) for name in ("segrgbx_core", "segrgbx_ros"))
    if isinstance(err, ImportError) and not (err.name or "segrgbx_").startswith("segrgbx_"):
        return True
    frames = traceback.extract_tb(err.__traceback__)
    return any(f.name == "<module>" and not f.filename.startswith(ours) for f in frames)


def _address_limit() -> int | None:
    """The bytes of addresses that this process may take; None without a limit."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit
