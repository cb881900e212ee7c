# SPDX-License-Identifier: Apache-2.0
"""Encode depth images as planes."""
