# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can act on: each message is one sentence with the way out."""


class SegRgbxError(Exception):
    """Base of every error caused by input, files or settings rather than by a defect."""


class InputError(SegRgbxError):
    """An image, reading or command argument cannot be used as given."""


class ModelError(SegRgbxError):
    """A model folder, card or weights file cannot be used as given."""


class LabelError(SegRgbxError):
    """A label set or a label image cannot be used as given."""


class RecipeError(SegRgbxError):
    """A training recipe cannot be used as given."""


class BagError(SegRgbxError):
    """A recording cannot be read or written as asked."""


class OutputError(SegRgbxError):
    """Results cannot be written where they were asked for."""
