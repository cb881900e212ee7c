# SPDX-License-Identifier: Apache-2.0
"""Measures of segmentation quality, as figures and pictures."""
