# SPDX-License-Identifier: Apache-2.0
"""Forwards the core's Python log records to the node's ROS log."""

import logging
from collections.abc import Callable
from typing import Any

from segrgbx_core.wording import printable

CORE_LOGGER = "segrgbx"


class RosLogHandler(logging.Handler):
    """Forwards records to a node's logger until it is detached.

    alive: whether the context still is; after that, rclpy complains of each record.
    """

    def __init__(self, logger: Any, alive: Callable[[], bool]) -> None:
        super().__init__(logging.INFO)
        self._logger, self._alive = logger, alive
        self._core = logging.getLogger(CORE_LOGGER)
        self._core.addHandler(self)
        if self._core.level == logging.NOTSET:
            self._core.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Logs one record; rclpy requires a separate call for each severity."""
        if not self._alive():
            return
        text = printable(record.getMessage())
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            text = "\n".join([text, *map(printable, trace.splitlines())])
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)

    def detach(self) -> None:
        """Stops forwarding."""
        self._core.removeHandler(self)
