# SPDX-License-Identifier: Apache-2.0
"""Thermal images to planes."""
