# SPDX-License-Identifier: Apache-2.0
"""Differences in words, and lines that leave out what has not been run."""

from experiments.figures import Difference


def word(sensor: str) -> str:
    """A sensor in prose."""
    return sensor.replace("_", " ")


def verdict(found: Difference | None) -> str | None:
    """Whether a part pays, with the difference; None where it has not been run."""
    return None if found is None else f"{found.verdict} ({found.text})"


def standing(found: Difference | None) -> str | None:
    """How one model stands against another, with the difference."""
    return None if found is None else f"{found.standing} ({found.text})"


def sentence(about: str, *parts: tuple[str, str | None]) -> list[str]:
    """One line with the parts that have a figure; none without any."""
    known = [f"{name}, {text}" if name else text for name, text in parts if text is not None]
    return [f"- **{about[0].upper()}{about[1:]}**: {'; '.join(known)}."] if known else []
