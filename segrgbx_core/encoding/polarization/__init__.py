# SPDX-License-Identifier: Apache-2.0
"""Polarization readings to planes."""
