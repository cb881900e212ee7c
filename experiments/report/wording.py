# SPDX-License-Identifier: Apache-2.0
"""Differences as text, and lines that leave out missing runs."""

from experiments.report.figures import Difference, Figure


def word(sensor: str) -> str:
    """A sensor's name in prose."""
    return sensor.replace("_", " ")


def verdict(difference: Difference | None) -> str | None:
    """Whether a part pays, with the difference; None where it has not been run."""
    return None if difference is None else f"{difference.verdict} ({difference.text})"


def standing(difference: Difference | None) -> str | None:
    """Whether one model is better than another, with the difference."""
    return None if difference is None else f"{difference.standing} ({difference.text})"


def reached(value: Figure | Difference | None, aim: float) -> str | None:
    """Whether a figure is at its aim or above it; None where it has not been run."""
    if value is None:
        return None
    return f"{'reached' if value.mean >= aim else 'missed'} ({value.text})"


def sentence(about: str, *parts: tuple[str, str | None]) -> list[str]:
    """One line with the parts that have a figure; an empty list without any."""
    known = [f"{name}, {text}" if name else text for name, text in parts if text is not None]
    return [f"- **{about[0].upper()}{about[1:]}**: {'; '.join(known)}."] if known else []
