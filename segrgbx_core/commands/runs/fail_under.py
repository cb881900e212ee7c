# SPDX-License-Identifier: Apache-2.0
"""`--fail-under` and `--junit`: a command that fails where a figure misses its threshold."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.errors import InputError, OutputError

if TYPE_CHECKING:
    from rich.console import Console

    from segrgbx_core.runs.thresholds import ThresholdCheck, Thresholds

MISSED = 1


def add_fail_under(parser: argparse.ArgumentParser) -> None:
    """Adds the two options."""
    group = parser.add_argument_group("thresholds", "For CI: config/ci/thresholds.yaml is one.")
    group.add_argument(
        "--fail-under",
        type=Path,
        metavar="FILE.yaml",
        help="end with status 1, and the figures that failed, where one misses its threshold",
    )
    group.add_argument(
        "--junit",
        type=Path,
        metavar="FILE.xml",
        help="with --fail-under: write the outcome as JUnit XML, replacing an older one of ours",
    )


@dataclass(frozen=True)
class FailUnder:
    """What was asked for. name: of the file of thresholds."""

    name: str
    thresholds: "Thresholds"
    junit: Path | None

    def status(self, suites: "Mapping[str, Sequence[ThresholdCheck]]", quiet: bool = False) -> int:
        """Prints each threshold and writes the JUnit file; 0, or 1 where one was missed.

        suites: the checks by run. quiet: stdout is for JSON, so that all goes to stderr.
        """
        from segrgbx_core.commands.terminal import notices, output
        from segrgbx_core.files.disk import write_whole
        from segrgbx_core.runs.junit import junit_xml

        if self.junit is not None:
            write_whole(self.junit, junit_xml(suites))
        _print(notices() if quiet else output(), suites)
        failed = [(n, c) for n, checks in suites.items() for c in checks if not c.passed]
        for name, check in failed:
            of = f"{name}: " if len(suites) > 1 else ""
            notices().print(f"segrgbx: {self.name}: {of}{check.sentence()}")
        return MISSED if failed else 0


def asked(args: argparse.Namespace, compares: bool = False) -> FailUnder | None:
    """Reads the thresholds, before anything else is done; None where none were asked for.

    compares: whether there is a run to have lost something to. Raises InputError for a file that
    cannot be used, and OutputError where --junit would replace a file that is no JUnit XML.
    """
    from segrgbx_core.runs.thresholds import read_thresholds

    if args.fail_under is None:
        if args.junit is not None:
            raise InputError("--junit writes what --fail-under finds; give --fail-under too.")
        return None
    thresholds = read_thresholds(args.fail_under)
    if thresholds.loss is not None and not compares:
        raise InputError(
            f"{args.fail_under} sets loss, which needs a run to hold this one against; give it to "
            "`segrgbx compare BEFORE AFTER --fail-under`, or take loss out of it."
        )
    if args.junit is not None:
        _need_ours(args.junit)
    return FailUnder(args.fail_under.name, thresholds, args.junit)


def check_folder(asked_for: FailUnder, folder: Path, quiet: bool = False) -> int:
    """Holds a run's folder against the thresholds; its status as `FailUnder.status` gives it."""
    from segrgbx_core.runs.folder import read_run
    from segrgbx_core.runs.thresholds import checks, figures_of

    run = read_run(folder)
    return asked_for.status({run.name: checks(asked_for.thresholds, figures_of(run))}, quiet)


def _need_ours(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise OutputError(f"--junit {path} cannot be written; name a file in a folder.")
    if path.exists() and b"<testsuites" not in path.read_bytes()[:200]:
        raise OutputError(
            f"--junit {path} is a file of another kind and would be replaced; name another file."
        )


def _print(console: "Console", suites: "Mapping[str, Sequence[ThresholdCheck]]") -> None:
    from rich.table import Table

    several = len(suites) > 1
    table = Table(*(["run"] if several else []), "threshold", "expected", "value", "outcome")
    for name, checks in suites.items():
        for check in checks:
            value = "-" if check.value is None else check.number(check.value)
            bound = f"{'<=' if check.most else '>='} {check.number(check.bound)}"
            outcome = "passed" if check.passed else "FAILED"
            table.add_row(*([name] if several else []), check.name, bound, value, outcome)
    console.print(table)
