# SPDX-License-Identifier: Apache-2.0
"""What the node knows of itself, and what it says of that."""
