# SPDX-License-Identifier: Apache-2.0
"""Draw readings, planes, labels and masks as pictures for display."""
