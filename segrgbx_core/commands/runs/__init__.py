# SPDX-License-Identifier: Apache-2.0
"""Commands on the folders that runs leave."""
