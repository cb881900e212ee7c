# SPDX-License-Identifier: Apache-2.0
"""Damaged input at volume, wherever the product reads what others wrote."""
