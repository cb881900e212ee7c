# SPDX-License-Identifier: Apache-2.0
"""Tuning MA-CLIP before a training."""
