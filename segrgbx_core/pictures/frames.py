# SPDX-License-Identifier: Apache-2.0
"""Pictures of one frame for display: sensors, classes, and the classes over the image."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segrgbx_core.encoding.contract import PlaneValues
from segrgbx_core.encoding.table import encoding_of
from segrgbx_core.labels.images import LabelImage
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.readings import RgbImage
from segrgbx_core.segmentation import Segmentation, color_mask
from segrgbx_core.wording import printable, spoken

INVALID = (38, 42, 51)


def x_picture(
    planes: PlaneValues, modality: str, valid: npt.NDArray[np.bool_] | None = None
) -> RgbImage:
    """Planes (3, H, W) float32 in 0..1 as an (H, W, 3) uint8 picture.

    The encoding of the sensor chooses the colours. thermal: hot is bright. depth: near is red, far
    is blue. light_field: as depth, grey where confidence is low. polarization: the angle as hue,
    the strength as brightness and saturation. event: the planes as red, green and blue. Invalid
    pixels are dark blue-grey. valid: (H, W) bool; None if all are valid. Raises InputError for an
    unknown modality.
    """
    picture = encoding_of(modality).picture(planes)
    if valid is None:
        return picture
    return np.asarray(np.where(valid[..., None], picture, INVALID), np.uint8)


BAND = (22, 25, 31)
INK = (236, 239, 244)
FAINT = (139, 148, 163)
TILE_WIDTHS = (320, 640)
LEGEND_WHOLE_UP_TO = 16


def four_up(
    rgb: RgbImage,
    planes_data: npt.NDArray[np.float32] | None,
    segmentation: Segmentation,
    truth: LabelImage | None = None,
    valid: npt.NDArray[np.bool_] | None = None,
) -> RgbImage:
    """RGB | X over truth (the mask if there is no truth) | overlay, with captions and a legend.

    rgb: (H, W, 3) uint8. planes_data: (3, h, w) float32 in 0..1, any size, or None. truth:
    (H, W) uint8 ids, 255 unlabelled. valid: (h, w) bool of the planes; None if all are valid.
    Each tile has the image's aspect ratio and a width of 320 to 640 pixels. Returns
    (rows, columns, 3) uint8.
    """
    height, width = rgb.shape[:2]
    tile_width = int(np.clip(width, *TILE_WIDTHS))
    size = (tile_width, max(1, round(height * tile_width / width)))
    shown = segmentation.labels if truth is None else truth
    x_name = spoken(segmentation.modality).capitalize()
    top = [
        captioned(resized(rgb, size), "RGB"),
        _no_x(size)
        if planes_data is None
        else captioned(
            resized(x_picture(planes_data, segmentation.modality, valid), size), x_name
        ),
    ]
    bottom = [
        captioned(
            resized(color_mask(shown, segmentation.label_set), size, exact=True),
            "Segmentation" if truth is None else "Ground truth",
        ),
        captioned(resized(segmentation.overlay(rgb), size), "Segmentation over RGB"),
    ]
    rows = [row_of(top), row_of(bottom)]
    strip = legend(segmentation.label_set, rows[0].shape[1], _seen(segmentation, truth))
    gap = np.full((gap_of(tile_width), rows[0].shape[1], 3), BAND, np.uint8)
    return np.vstack([rows[0], gap, rows[1], strip])


def legend(label_set: LabelSet, width: int, ids: tuple[int, ...] | None = None) -> RgbImage:
    """A dark strip with each class's colour and name, in as many rows as needed.

    width: pixels. ids: the classes to show; None shows all. Returns (rows, width, 3) uint8.
    """
    size = _text_size(width // 2)
    face = font(size)
    chip, pad = round(size * 0.95), round(size * 0.8)
    chosen = range(len(label_set)) if ids is None else ids
    names = [printable(spoken(name)) for name in label_set.names]
    places: list[tuple[int, int, int]] = []
    x, y = pad, pad
    for i in chosen:
        across = chip + pad // 2 + round(face.getlength(names[i]))
        if x > pad and x + across > width - pad:
            x, y = pad, y + round(size * 1.75)
        places.append((i, x, y))
        x += across + round(pad * 1.5)
    bottom = y + chip + pad if places else 0
    picture = Image.new("RGB", (width, bottom), BAND)
    draw = ImageDraw.Draw(picture)
    for i, left, up in places:
        color = label_set.classes[i].color
        box = (left, up, left + chip, up + chip)
        draw.rounded_rectangle(box, chip // 4, fill=color, outline=FAINT)
        at = (left + chip + pad // 2, up + chip // 2)
        draw.text(at, names[i], INK, face, anchor="lm")
    return np.array(picture)


def _seen(segmentation: Segmentation, truth: LabelImage | None) -> tuple[int, ...] | None:
    """None (all classes) for a small label set, so that pictures are comparable.

    For a larger one, the classes that occur in the segmentation or the truth.
    """
    count = len(segmentation.label_set)
    if count <= LEGEND_WHOLE_UP_TO:
        return None
    there = set(np.unique(segmentation.labels).tolist())
    if truth is not None:
        there |= set(np.unique(truth).tolist())
    return tuple(sorted(i for i in there if i < count))


def _text_size(tile_width: int) -> int:
    return max(13, round(tile_width / 32))


def gap_of(tile_width: int) -> int:
    """Pixels between tiles of this width."""
    return max(2, tile_width // 160)


def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's built-in font, so that pictures are the same on every machine."""
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


def resized(image: RgbImage, size: tuple[int, int], exact: bool = False) -> RgbImage:
    """The image resized to (width, height); exact: nearest neighbour, without new colours."""
    shrinks = image.shape[1] > size[0]
    smooth = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    method = cv2.INTER_NEAREST if exact else smooth
    return cast(RgbImage, cv2.resize(image, size, interpolation=method))


def _no_x(size: tuple[int, int]) -> RgbImage:
    picture = Image.new("RGB", size, (38, 42, 51))
    middle = (size[0] // 2, size[1] // 2)
    face = font(round(_text_size(size[0]) * 1.4))
    ImageDraw.Draw(picture).text(middle, "no X: RGB alone", FAINT, face, anchor="mm")
    return captioned(np.array(picture), "X")


def captioned(tile: RgbImage, words: str) -> RgbImage:
    """The tile below a dark band with a caption."""
    size = _text_size(tile.shape[1])
    band = Image.new("RGB", (tile.shape[1], round(size * 1.8)), BAND)
    draw = ImageDraw.Draw(band)
    draw.text((size // 2, band.height // 2), printable(words), INK, font(size), anchor="lm")
    return np.vstack([np.array(band), tile])


def row_of(tiles: list[RgbImage]) -> RgbImage:
    """Tiles of equal size, side by side."""
    gap = np.full((tiles[0].shape[0], gap_of(tiles[0].shape[1]), 3), BAND, np.uint8)
    return np.hstack([part for tile in tiles for part in (gap, tile)][1:])
