# SPDX-License-Identifier: Apache-2.0
"""The `segrgbx` command: what to do, and what to say when it cannot be done."""

import argparse
import os
import sys
from typing import NoReturn

from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.output import DiskFullError
from segrgbx_core.resources import version
from segrgbx_ros.commands import (
    data,
    embeddings,
    encode,
    evaluate,
    info,
    inspect,
    replay,
    scenes,
    segment,
    summary,
    train,
)

COMMANDS = (
    scenes,
    inspect,
    encode,
    segment,
    replay,
    summary,
    info,
    data,
    train,
    evaluate,
    embeddings,
)
USER_MISTAKE, INCOMPLETE, INTERRUPTED = 2, 1, 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusal is one sentence instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; `{self.prog} --help` shows an example.")


def build_parser() -> Parser:
    """All subcommands; each one's help ends with an example."""
    parser = Parser(
        prog="segrgbx",
        description="Semantic segmentation of an RGB camera with a second sensor (RGB-X).",
        epilog="Try it: segrgbx scenes out/scenes && segrgbx replay out/scenes --modality thermal "
        "--out out/replay",
    )
    parser.add_argument("--version", action="version", version=f"segrgbx {version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    0 done, 1 done in part, 2 a mistake in what was asked, 130 interrupted. `--help` and
    `--version` leave through SystemExit, as argparse does.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    try:
        args = build_parser().parse_args(argv)
        status: int = args.run(args)
        sys.stdout.flush()
    except DiskFullError as err:
        return _say(str(err), INCOMPLETE)
    except SegRgbxError as err:
        return _say(str(err), USER_MISTAKE)
    except KeyboardInterrupt:
        return _say("interrupted; files that were finished are kept.", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INCOMPLETE
    return status


def _say(sentence: str, status: int) -> int:
    print(f"segrgbx: {sentence}", file=sys.stderr)
    return status
