# SPDX-License-Identifier: Apache-2.0
"""`segrgbx bench`: what a frame costs on this machine, and against what."""
