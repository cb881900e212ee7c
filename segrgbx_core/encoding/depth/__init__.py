# SPDX-License-Identifier: Apache-2.0
"""Depth images to planes."""
