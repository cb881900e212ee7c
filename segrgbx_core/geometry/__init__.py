# SPDX-License-Identifier: Apache-2.0
"""How two cameras stand to each other, and X on RGB's grid."""
