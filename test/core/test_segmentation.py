# SPDX-License-Identifier: Apache-2.0
"""Overlays against values computed by hand."""

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.segmentation import Segmentation

RGB = np.full((2, 3, 3), 100, np.uint8)
LABELS = np.array([[0, 1, 255], [2, 3, 9]], np.uint8)


def result() -> Segmentation:
    return Segmentation(LABELS, np.ones((2, 3), np.float32), load_label_set("street"), "thermal")


def test_half_way_between_image_and_colour() -> None:
    overlay = result().overlay(RGB)
    # Road is (128, 64, 128); half of it and half of 100.
    assert overlay[0, 0].tolist() == [114, 82, 114]
    assert overlay.dtype == np.uint8


def test_unlabelled_pixels_show_the_image() -> None:
    assert result().overlay(RGB, 1.0)[0, 2].tolist() == [100, 100, 100]


def test_alpha_reaches_from_image_to_colours() -> None:
    assert np.array_equal(result().overlay(RGB, 0.0), RGB)
    labelled = LABELS != 255
    colors = result().color_mask()
    assert np.array_equal(result().overlay(RGB, 1.0)[labelled], colors[labelled])


def test_confidence_reaches_from_0_to_255() -> None:
    shares = np.array([[0.0, 0.5, 1.0]], np.float32)
    shown = Segmentation(LABELS[:1], shares, load_label_set("street"), "thermal")
    # 127.5 rounds to the even 128.
    assert shown.confidence_image().tolist() == [[0, 128, 255]]
    assert shown.confidence_image().dtype == np.uint8


def test_a_larger_image_of_the_same_shape_is_shrunk_to_the_mask() -> None:
    large = np.repeat(np.repeat(RGB, 2, 0), 2, 1)
    large[:2, :2] = [[[90], [110]], [[110], [90]]]
    assert np.array_equal(result().overlay(large), result().overlay(RGB))


def test_another_image_is_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"5x4 .*mask 3x2"):
        result().overlay(np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(InputError, match=r"alpha is 1.5; .*0 to 1"):
        result().overlay(RGB, 1.5)
