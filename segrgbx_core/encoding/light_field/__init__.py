# SPDX-License-Identifier: Apache-2.0
"""Light fields to planes."""
