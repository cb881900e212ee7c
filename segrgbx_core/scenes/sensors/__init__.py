# SPDX-License-Identifier: Apache-2.0
"""What each sensor measures of the street."""
