# SPDX-License-Identifier: Apache-2.0
"""What a street is made of."""
