# SPDX-License-Identifier: Apache-2.0
"""The `segrgbx` command: subcommands, exit statuses and error output."""

import argparse
import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from segrgbx_core.commands import (
    data,
    embeddings,
    encode,
    evaluate,
    export,
    import_model,
    info,
    segment,
    train,
)
from segrgbx_core.commands.runs import compare
from segrgbx_core.errors import InputError, SegRgbxError, is_out_of_memory, shortage_in_words
from segrgbx_core.files.disk import DiskFullError, no_empty_folders
from segrgbx_core.files.resources import version
from segrgbx_core.stopping import sigterm_interrupts
from segrgbx_core.wording import printable
from segrgbx_ros.commands import bag, bench, inspect, replay, scenes

# Sorted as in the help text.
COMMANDS: tuple[Callable[[Any], None], ...] = (
    scenes.add_parser,
    inspect.add_parser,
    encode.add_parser,
    segment.add_parser,
    replay.add_parser,
    replay.add_summary_parser,
    compare.add_parser,
    info.add_parser,
    data.add_parser,
    bag.add_parser,
    train.add_parser,
    evaluate.add_parser,
    embeddings.add_parser,
    export.add_parser,
    import_model.add_parser,
    bench.add_parser,
)
USER_MISTAKE, INCOMPLETE, INTERRUPTED = 2, 1, 130


class Parser(argparse.ArgumentParser):
    """An argument parser that reports an error as one sentence, without the usage text."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; `{self.prog} --help` shows an example.")


def build_parser() -> Parser:
    """The parser with all subcommands; each help text ends with an example."""
    parser = Parser(
        prog="segrgbx",
        description="Semantic segmentation of an RGB camera with a second sensor (RGB-X).",
        epilog="Try it: segrgbx scenes out/scenes && segrgbx replay out/scenes --modality thermal "
        "--missing-x hold_last --out out/replay",
    )
    parser.add_argument("--version", action="version", version=f"segrgbx {version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add_parser in COMMANDS:
        add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    0: done, 1: partly done, 2: user error, 130: interrupted, by SIGINT or SIGTERM. `--help` and
    `--version` raise SystemExit, as in argparse.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    with sigterm_interrupts(), _warnings_said():
        return _run(argv)


def _run(argv: list[str] | None) -> int:
    try:
        args = build_parser().parse_args(argv)
        with no_empty_folders(getattr(args, "out", None)):
            status: int = args.run(args)
        sys.stdout.flush()
    except DiskFullError as err:
        return _say(str(err), INCOMPLETE)
    except SegRgbxError as err:
        return _say(str(err), USER_MISTAKE)
    except KeyboardInterrupt as err:
        return _say(str(err) or "interrupted; files that were finished are kept.", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INCOMPLETE
    except OSError as err:
        if is_out_of_memory(err):
            return _say(shortage_in_words(err) or str(err), USER_MISTAKE)
        if err.errno not in (errno.ENAMETOOLONG, errno.ENOENT) or err.filename is None:
            raise
        why = str(err.strerror).lower()
        return _say(f"{err.filename} cannot be used: {why}; check the path.", USER_MISTAKE)
    except Exception as err:
        shortage = shortage_in_words(err)
        if shortage is None:
            raise
        return _say(shortage, USER_MISTAKE)
    return status


def _say(sentence: str, status: int) -> int:
    print(f"segrgbx: {printable(sentence)}", file=sys.stderr)
    return status


class _Said(logging.Handler):
    """The core's warnings as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"segrgbx: {printable(record.getMessage())}", file=sys.stderr)


@contextmanager
def _warnings_said() -> Iterator[None]:
    log, said = logging.getLogger("segrgbx"), _Said(logging.WARNING)
    log.addHandler(said)
    try:
        yield
    finally:
        log.removeHandler(said)
