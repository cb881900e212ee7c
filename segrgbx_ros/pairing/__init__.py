# SPDX-License-Identifier: Apache-2.0
"""Pairing of X with RGB images, the same in the live node and the replay."""
