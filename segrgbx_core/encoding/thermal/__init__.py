# SPDX-License-Identifier: Apache-2.0
"""Encode thermal images as planes."""
