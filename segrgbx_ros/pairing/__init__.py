# SPDX-License-Identifier: Apache-2.0
"""Which X goes with which RGB image: the one policy of the live node and the replay."""
