# SPDX-License-Identifier: Apache-2.0
"""The border at which messages are read: whatever goes wrong with one is our error."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from segrgbx_core.errors import BagError, guarded

M = TypeVar("M")
R = TypeVar("R")
P = ParamSpec("P")


def guarded_message(
    read: Callable[Concatenate[M, str, P], R],
) -> Callable[Concatenate[M, str, P], R]:
    """A function of a message and its topic; BagError for whatever it throws but our errors."""

    @functools.wraps(read)
    def guarded_read(msg: M, topic: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        refusal = (
            f"A message on topic {topic} cannot be read ({{}}); its fields contradict each other: "
            "check its publisher."
        )
        with guarded(f"a message on topic {topic}", BagError, refusal):
            return read(msg, topic, *args, **kwargs)

    return guarded_read
