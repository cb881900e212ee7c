# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests: the repository, the real recordings, the opt-in marks; no deadlines."""

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("SEGRGBX_SHARED_DATA", ROOT.parent / "shared" / "data"))

# How long an example takes says how busy the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow, too")


def _ros_missing() -> str | None:
    """Why the tests marked ros cannot run here, or None when they can."""
    if importlib.util.find_spec("rclpy") is None:
        return "no ROS 2 here (rclpy cannot be imported); `make test-ros` runs this"
    if importlib.util.find_spec("segrgbx_ros.msg") is None:
        return "segrgbx_ros was not built with colcon here; `make test-ros` builds and runs this"
    return None


def _slow_wanted(config: pytest.Config) -> bool:
    asked = os.environ.get("SEGRGBX_RUN_SLOW", "") not in ("", "0")
    return asked or bool(config.getoption("--run-slow"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons: dict[str, str | None] = {
        "slow": None if _slow_wanted(config) else "slow; `make test-all` runs this",
        "shared_data": None if SHARED_DATA.is_dir() else f"no real recordings at {SHARED_DATA}",
        "ros": _ros_missing(),
    }
    for item in items:
        for mark, reason in reasons.items():
            if reason is not None and item.get_closest_marker(mark) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root folder of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings; only for tests marked shared_data."""
    return SHARED_DATA
