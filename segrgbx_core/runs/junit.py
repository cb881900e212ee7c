# SPDX-License-Identifier: Apache-2.0
"""JUnit XML, which CI servers show as tests: a test case for each threshold.

Of the elements and attributes that Jenkins' schema junit-10.xsd knows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from xml.etree import ElementTree

from segrgbx_core.runs.thresholds import ThresholdCheck
from segrgbx_core.wording import printable


def junit_xml(suites: Mapping[str, Sequence[ThresholdCheck]]) -> bytes:
    """The file's content; suites: the checks of each run by its name."""
    failed = sum(not check.passed for checks in suites.values() for check in checks)
    total = sum(len(checks) for checks in suites.values())
    root = ElementTree.Element("testsuites", _counts("segrgbx", total, failed))
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    for name, checks in suites.items():
        failed = sum(not check.passed for check in checks)
        about = {**_counts(printable(name), len(checks), failed), "timestamp": now}
        suite = ElementTree.SubElement(root, "testsuite", about | {"skipped": "0"})
        for check in checks:
            _add_case(suite, f"segrgbx.{printable(name)}", check)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _counts(name: str, tests: int, failures: int) -> dict[str, str]:
    numbers = {"tests": tests, "failures": failures, "errors": 0, "time": 0}
    return {"name": name, **{key: str(number) for key, number in numbers.items()}}


def _add_case(suite: ElementTree.Element, of: str, check: ThresholdCheck) -> None:
    names = {"classname": of, "name": printable(check.name), "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", names)
    words = printable(check.sentence())
    if check.passed:
        ElementTree.SubElement(case, "system-out").text = words
        return
    kind = "not measured" if check.value is None else "threshold"
    ElementTree.SubElement(case, "failure", {"message": words, "type": kind}).text = words
