# SPDX-License-Identifier: Apache-2.0
"""How good a segmentation is, in figures and in pictures."""
