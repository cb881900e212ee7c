# SPDX-License-Identifier: Apache-2.0
"""One recording replayed with a growing fault of the second sensor."""
