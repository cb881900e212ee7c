# SPDX-License-Identifier: Apache-2.0
"""One reader for each published dataset, in its authors' layout or a common repack."""
