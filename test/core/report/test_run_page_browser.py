# SPDX-License-Identifier: Apache-2.0
"""A run's page in a headless Chromium: clicks, keys, drags, and not a word on the console."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

LIT = "document.querySelectorAll('.layer.on .name').length"
SHOWN = "[...document.querySelectorAll('.layer:not([hidden]) .name')].map(n => n.textContent)"
RED = """() => {
  const canvas = document.querySelectorAll('.stage canvas')[4];
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let red = 0;
  for (let at = 0; at < pixels.length; at += 4) red += pixels[at] === 255 && pixels[at + 1] === 32;
  return red;
}"""


@pytest.fixture
def opened(browser: "Browser") -> "Iterator[Any]":
    """Opens a run's page; fails afterwards where it said something or asked for a network."""
    said: list[str] = []
    pages: list[Page] = []

    def open_page(run: Any, **context: Any) -> "Page":
        size = {"width": 1400, "height": 900}
        page = browser.new_page(viewport=context.pop("viewport", size), **context)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: _note_request(request.url, said))
        page.goto((run.folder / "report.html").as_uri())
        page.wait_for_selector("body[data-ready][data-drawn]")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert said == []


def _note_request(url: str, said: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        said.append(f"asked for {url}")


@pytest.fixture
def page(draw_run: Any, opened: Any) -> "Page":
    run = draw_run(42)
    run.page()
    found: Page = opened(run)
    return found


def heading(page: "Page") -> str:
    return page.locator("#frame-name").inner_text()


def facts(page: "Page") -> str:
    return page.locator("#frame-facts").inner_text()


def box_of(place: "Locator") -> Any:
    """Where it lies in the window, scrolled there."""
    place.scroll_into_view_if_needed()
    return place.bounding_box()


def test_it_opens_at_the_worst_frame_and_keys_step(page: "Page") -> None:
    worst = page.locator(".thumb b").first.inner_text()
    assert f"mIoU {worst}" in facts(page)
    page.keyboard.press("Home")
    assert heading(page) == "Frame 1 of 36"
    page.keyboard.press("ArrowRight")
    assert heading(page) == "Frame 2 of 36"
    page.keyboard.press("Shift+ArrowRight")
    assert heading(page) == "Frame 12 of 36"
    page.keyboard.press("ArrowLeft")
    assert heading(page) == "Frame 11 of 36"
    page.keyboard.press("End")
    assert heading(page) == "Frame 36 of 36"
    page.keyboard.press("w")
    page.keyboard.press("W")
    assert heading(page) == "Frame 36 of 36"


def test_next_worst_goes_through_rising_scores(page: "Page") -> None:
    scores = []
    for _ in range(8):
        scores.append(float(facts(page).split("mIoU ")[1].split()[0]))
        page.keyboard.press("w")
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_digits_and_clicks_switch_layers(page: "Page") -> None:
    assert page.evaluate(SHOWN) == [
        "1 RGB", "2 thermal", "3 mask", "4 truth", "5 error", "6 confidence",
    ]  # fmt: skip
    assert page.evaluate(LIT) == 2
    page.keyboard.press("5")
    assert page.evaluate(LIT) == 3
    assert page.locator(".stage canvas").nth(4).is_visible()
    page.locator('[data-layer="error"]').click()
    assert page.evaluate(LIT) == 2
    assert not page.locator(".stage canvas").nth(4).is_visible()


def test_an_opacity_shows_its_layer(page: "Page") -> None:
    slider = page.get_by_label("Opacity of truth")
    slider.fill("0.3")
    canvas = page.locator(".stage canvas").nth(3)
    assert canvas.is_visible()
    assert canvas.evaluate("canvas => canvas.style.opacity") == "0.3"


def test_the_error_layer_counts_the_wrong_pixels(page: "Page") -> None:
    """By hand from the two label layers; the drawn masks are wrong in many pixels."""
    counted = page.evaluate(
        """async () => {
          const name = document.querySelector('#frame-facts').textContent.match(/\\d{6}/)[0];
          const found = JSON.parse(document.getElementById('frame-' + Number(name)).textContent);
          const grey = async (text) => {
            const image = new Image();
            image.src = 'data:image/png;base64,' + text;
            await image.decode();
            const canvas = document.createElement('canvas');
            canvas.width = found.width;
            canvas.height = found.height;
            canvas.getContext('2d').drawImage(image, 0, 0);
            return canvas.getContext('2d').getImageData(0, 0, found.width, found.height).data;
          };
          const [mask, truth] = [await grey(found.mask), await grey(found.truth)];
          let wrong = 0;
          for (let at = 0; at < mask.length; at += 4)
            wrong += truth[at] !== 255 && truth[at] !== mask[at];
          return wrong;
        }"""
    )
    assert counted > 100
    assert page.evaluate(RED) == counted


def test_a_drag_on_a_chart_scrubs_through_the_frames(page: "Page") -> None:
    page.keyboard.press("Home")
    box = box_of(page.locator("#timeline .u-over").nth(1))
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    page.mouse.down()
    seen = []
    for step in range(11):
        page.mouse.move(box["x"] + 2 + step * (box["width"] - 4) / 10, box["y"] + 20)
        seen.append(int(heading(page).split()[1]))
    page.mouse.up()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (1, 36)
    assert len(set(seen)) > 8
    assert heading(page) == "Frame 36 of 36"


def test_the_slider_reaches_every_frame(page: "Page") -> None:
    slider = page.locator("#scrub")
    for number in (1, 17, 36):
        slider.fill(str(number - 1))
        assert heading(page) == f"Frame {number} of 36"
        page.wait_for_selector(f"body[data-drawn='{(number - 1) * 7 // 6}']")


def test_space_plays_to_the_end(page: "Page") -> None:
    page.keyboard.press("End")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    page.get_by_text("Frame 36 of 36").wait_for()
    page.get_by_role("button", name="play", exact=True).wait_for()


def test_a_table_sorts_and_a_row_is_looked_at(page: "Page") -> None:
    table = page.locator("#frames table")
    column = table.locator("th", has_text="mIoU")
    assert column.get_attribute("aria-sort") == "ascending"
    column.get_by_role("button").click()
    assert column.get_attribute("aria-sort") == "descending"
    first = table.locator("tbody tr").first
    best = first.locator("td").nth(4).inner_text()
    first.click()
    assert f"mIoU {best}" in facts(page)
    assert "now" in (first.get_attribute("class") or "")


def test_dropped_images_are_listed_with_their_reason(page: "Page") -> None:
    page.get_by_label("Images").select_option("without a mask")
    rows = page.locator("#frames tbody tr")
    assert rows.count() == 6
    assert "RGB without an X near enough in time" in rows.first.inner_text()


def test_classes_of_a_condition_and_the_confusion_of_rgb_alone(page: "Page") -> None:
    row = page.locator("#by-class tbody tr", has_text="car")
    before = row.inner_text()
    page.locator("#by-class select").select_option("night")
    assert row.inner_text() != before
    cell = page.locator(".matrix tbody tr").first.locator("td").first
    before = cell.inner_text()
    page.locator("#confusion select").select_option("RGB alone")
    assert cell.inner_text() != before


def test_it_enlarges_and_helps(page: "Page") -> None:
    page.keyboard.press("f")
    box = page.locator(".viewer").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (1400, 900)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_zoom_keeps_the_frame_in_sight(page: "Page") -> None:
    page.keyboard.press("End")
    for key in "+++":
        page.keyboard.press(key)
    heads = page.locator("#timeline .playhead")
    assert all(heads.nth(i).is_visible() for i in range(heads.count()))
    assert heads.count() == 8


def test_pointing_names_the_classes_of_a_pixel(page: "Page") -> None:
    box = box_of(page.locator(".stage"))
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    assert page.locator("#pixel").inner_text().startswith("mask: sky \u00b7 truth: sky")


def test_files_beside_the_page_are_read_from_the_disk(draw_run: Any, opened: Any) -> None:
    run = draw_run(70, size=(32, 24))
    run.page(most_bytes=0)
    page = opened(run)
    page.keyboard.press("End")
    page.wait_for_selector("body[data-drawn='68']")
    assert page.evaluate(RED) > 0


def test_no_truth_leaves_its_layers_and_scores_out(draw_run: Any, opened: Any) -> None:
    run = draw_run(20, scored=False)
    run.page()
    page = opened(run)
    assert page.evaluate(SHOWN) == ["1 RGB", "2 thermal", "3 mask", "6 confidence"]
    assert not page.locator("#scores").is_visible()
    assert not page.locator("#confusion").is_visible()
    assert "lowest confidence" in page.locator("#worst h2").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window_in_both_schemes(draw_run: Any, opened: Any, scheme: str) -> None:
    run = draw_run(20)
    run.page()
    page = opened(run, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == {"light": "rgb(244, 245, 247)", "dark": "rgb(18, 21, 26)"}[scheme]
