# SPDX-License-Identifier: Apache-2.0
"""Tuning of MA-CLIP before training."""
