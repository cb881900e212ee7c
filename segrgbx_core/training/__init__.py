# SPDX-License-Identifier: Apache-2.0
"""From a recipe to a model folder."""

from segrgbx_core.training.loop import train

__all__ = ["train"]
