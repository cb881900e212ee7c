# SPDX-License-Identifier: Apache-2.0
"""Train a model folder from a recipe."""

from segrgbx_core.training.run import Check, Machine, check_recipe, train

__all__ = ["Check", "Machine", "check_recipe", "train"]
