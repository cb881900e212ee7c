# SPDX-License-Identifier: Apache-2.0
"""Model folders, and weights that come from elsewhere."""
