# SPDX-License-Identifier: Apache-2.0
"""From a recipe to a model folder."""

from segrgbx_core.training.check import Check, check
from segrgbx_core.training.loop import Machine, train

__all__ = ["Check", "Machine", "check", "train"]
