# SPDX-License-Identifier: Apache-2.0
"""From a recipe to a model folder."""

from segrgbx_core.training.check import Check, check_recipe
from segrgbx_core.training.run import Machine, train

__all__ = ["Check", "Machine", "check_recipe", "train"]
