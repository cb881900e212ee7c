# SPDX-License-Identifier: Apache-2.0
"""One input on one surface: whether it is taken, refused by us, or a finding."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fuzz.surface import Surface, WrongResultError
from segrgbx_core.errors import SegRgbxError

MOST_SECONDS = 10.0
MOST_BYTES = 1 << 30
LONGEST_SENTENCE = 4000
TAKEN, REFUSED = "taken", "refused"


@dataclass(frozen=True)
class Trial:
    """outcome: TAKEN, REFUSED, or the kind of finding; text: the sentence or the trace's end.

    seconds: of CPU.
    """

    outcome: str
    text: str
    seconds: float

    @property
    def is_finding(self) -> bool:
        """Whether the input must not do this."""
        return self.outcome not in (TAKEN, REFUSED)


def try_input(surface: Surface, data: bytes) -> Trial:
    """Reads the input as the product does, in this process."""
    start = time.process_time()
    outcome, text = _outcome(surface, data)
    seconds = time.process_time() - start
    if seconds > MOST_SECONDS:
        return Trial("over 10 s", text, seconds)
    return Trial(outcome, text, seconds)


def _outcome(surface: Surface, data: bytes) -> tuple[str, str]:
    try:
        surface.read(data)
    except SegRgbxError as err:
        if any(isinstance(cause, MemoryError) for cause in _causes(err)):
            return "over 1 GB", str(err)
        if len(str(err)) > LONGEST_SENTENCE:
            return "endless sentence", str(err)[:LONGEST_SENTENCE]
        return REFUSED, str(err)
    except MemoryError as err:
        return "over 1 GB", _where(err)
    except WrongResultError as err:
        return "wrong result", str(err)
    except Exception as err:  # noqa: BLE001
        return "exception", _where(err)
    return TAKEN, ""


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


def _where(err: BaseException) -> str:
    trace, place = err.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "segrgbx" in code.co_filename:
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(err).__name__} at {place}: {err}"[:300]


@contextmanager
def limited_memory(most: int = MOST_BYTES) -> Iterator[None]:
    """Allows the process that much address space more than it has now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * resource.getpagesize() + most
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
