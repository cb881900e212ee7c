# SPDX-License-Identifier: Apache-2.0
"""Look up a modality's encoding through the modality table."""

from importlib import import_module
from pathlib import Path
from typing import cast

from segrgbx_core.encoding.contract import Encoding, EncodingSettings, PlaneNames
from segrgbx_core.errors import InputError
from segrgbx_core.modality import NO_X, modality_named
from segrgbx_core.readings import Planes, Reading


def encoding_of(modality: str) -> Encoding:
    """The modality's encoding. Raises InputError for an unknown modality."""
    return cast(Encoding, import_module(modality_named(modality).module).ENCODING)


def encode(
    modality: str, reading: Reading | Planes, settings: EncodingSettings | None = None
) -> Planes:
    """Encodes a reading of the named modality; units and errors are those of its encoder.

    Planes, which some datasets contain instead of readings, are returned unchanged, also for NO_X.
    Raises InputError for an unknown modality, and for a reading or settings of another modality.
    """
    if isinstance(reading, Planes) and modality == NO_X:
        return reading
    encoding = encoding_of(modality)
    if isinstance(reading, Planes):
        return reading
    if not isinstance(reading, encoding.readings):
        raise InputError(_of_another(modality, "reading", reading, encoding.readings))
    return encoding.encode(reading, checked_settings(modality, settings))


def checked_settings(modality: str, settings: EncodingSettings | None) -> EncodingSettings:
    """The settings, or the modality's defaults for None.

    Raises InputError for settings of another modality.
    """
    own = encoding_of(modality).settings
    if settings is None:
        return own()
    if not isinstance(settings, own):
        raise InputError(_of_another(modality, "settings", settings, (own,)))
    return settings


def _of_another(modality: str, what: str, given: object, expected: tuple[type, ...]) -> str:
    return (
        f"Modality '{modality}' was given {what} of type {type(given).__name__}; expected "
        f"{' or '.join(kind.__name__ for kind in expected)}."
    )


def read_x(path: Path, modality: str, grid: tuple[int, int] | None = None) -> Reading:
    """Reads the second sensor's reading from one file or folder.

    event: a `.npz` file. light_field: a folder of views whose names end in `<row>_<column>`, or
    one image of all views side by side, which is cut into views if grid gives its rows and
    columns. polarization: a mosaic image, or a folder with images named `0`, `45`, `90` and `135`
    for the angles in degrees. Other modalities: an image (`files.images.read_reading`).
    Raises InputError for a path that is missing, unreadable or of another kind.
    """
    return encoding_of(modality).read(path, grid)


def plane_names(modality: str, settings: EncodingSettings | None = None) -> PlaneNames:
    """Short names of the three planes. Raises the errors of `checked_settings`."""
    return encoding_of(modality).plane_names(checked_settings(modality, settings))
