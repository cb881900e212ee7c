# SPDX-License-Identifier: Apache-2.0
"""Label sets, the union of several, and label images."""
