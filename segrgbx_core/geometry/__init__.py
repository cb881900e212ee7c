# SPDX-License-Identifier: Apache-2.0
"""The relative pose of the two cameras, and X on the RGB image's grid."""
