# SPDX-License-Identifier: Apache-2.0
"""Encode polarization readings as planes."""
