# SPDX-License-Identifier: Apache-2.0
"""Arguments that several subcommands share, and the kinds of value they hold."""

import argparse
import math
import re
from typing import TYPE_CHECKING, TypeAlias

from segrgbx_core.modality import MODALITIES

if TYPE_CHECKING:
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def new_parser(
    subparsers: "Subparsers", name: str, what: str, example: str
) -> argparse.ArgumentParser:
    """A subcommand whose help ends with the example."""
    return subparsers.add_parser(
        name,
        help=what,
        description=what,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """--model, --device and --precision."""
    parser.add_argument(
        "--model", default="demo", help="a name under models/ or a model folder (default: demo)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)"
    )
    parser.add_argument(
        "--precision", default="auto", help="auto, float32, bf16 or fp16 (default: auto)"
    )


def add_modality(parser: argparse.ArgumentParser, required: bool) -> None:
    """--modality."""
    parser.add_argument(
        "--modality", choices=tuple(MODALITIES), required=required, help="what the X sensor is"
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """--force."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="write into a folder that holds files: replaces those of the same names",
    )


def number(text: str) -> float:
    """A finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' is not a finite number")
    return value


def positive_count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more")
    return value


def image_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT in pixels."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 640x480")
    return int(found.group(1)), int(found.group(2))


def word_list(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
