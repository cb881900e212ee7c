# SPDX-License-Identifier: Apache-2.0
"""The guard at each border, and sentences that quote what others wrote."""

import pytest

from segrgbx_core.bounds import LEAST_X_PIXELS, MOST_PIXELS, check_stated_pixels, most_x_pixels
from segrgbx_core.errors import InputError, ModelError, SegRgbxError, guarded


@pytest.mark.parametrize(
    "thrown", [KeyError("a"), RecursionError("deep"), OverflowError(""), AssertionError("b\nc")]
)
def test_whatever_a_parser_throws_becomes_one_sentence(thrown: Exception) -> None:
    with (
        pytest.raises(ModelError, match=r"^a\.yaml is damaged") as caught,
        guarded("a.yaml", ModelError, "a.yaml is damaged ({}); copy it again."),
    ):
        raise thrown
    assert "\n" not in str(caught.value)
    assert type(thrown).__name__ in str(caught.value)
    assert caught.value.__cause__ is thrown


def test_our_own_errors_and_interrupts_pass() -> None:
    with pytest.raises(InputError, match=r"^as it was$"), guarded("a", ModelError, "other"):
        raise InputError("as it was")
    with pytest.raises(KeyboardInterrupt), guarded("a", ModelError, "other"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("thrown", [MemoryError(), RuntimeError("can't allocate memory: 3 GB")])
def test_running_out_of_memory_is_not_called_damage(thrown: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"Memory ran out while a\.png was read"),
        guarded("a.png", InputError, "a.png is damaged."),
    ):
        raise thrown


def test_a_sentence_leaves_out_the_middle_of_what_it_quotes() -> None:
    text = str(SegRgbxError(f"'{'x' * 10**6}' is unknown; expected one of a, b."))
    assert len(text) < 2100
    assert text.startswith("'xxx")
    assert text.endswith("is unknown; expected one of a, b.")


def test_a_reading_is_bounded_by_its_rgb_image() -> None:
    assert most_x_pixels(None) == MOST_PIXELS
    assert most_x_pixels((1, 1)) == LEAST_X_PIXELS
    assert most_x_pixels((480, 640)) == 64 * 480 * 640
    assert most_x_pixels((10**5, 10**5)) == MOST_PIXELS


def test_large_images_need_data() -> None:
    side = 12_000
    check_stated_pixels((side, side), side * side // 64, "a.tiff", InputError)
    with pytest.raises(InputError, match=r"a\.tiff states 12000x12000 pixels in 1000 bytes"):
        check_stated_pixels((side, side), 1000, "a.tiff", InputError)
    with pytest.raises(InputError, match="in 10 bytes, more than they can hold"):
        check_stated_pixels((100, 200), 10, "a.jpg", InputError, per_byte=1024)
