"""The mask tools and the history of the page, in a real browser."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.conftest import scene
from tests.pages import act, drag, fill, mask_on_canvas, pixels, saved_png, status, tool, upload, where

pytest_plugins = ["tests.pages"]


@pytest.mark.parametrize("by", ["click", "box"])
def test_an_object_is_outlined(page, tmp_path, by):
    picture = Image.new("RGB", (160, 120), (90, 140, 90))
    ImageDraw.Draw(picture).ellipse((60, 40, 100, 80), fill=(220, 40, 40))
    noise = np.random.default_rng(0).integers(-8, 9, (120, 160, 3))
    upload(page, saved_png((np.array(picture) + noise).astype(np.uint8), tmp_path / "ball.png"))
    tool(page, "object")
    if by == "click":
        page.mouse.click(*where(page, 80, 60))
    else:
        drag(page, (52, 32), (108, 88))
    status(page, "Object marked")
    area = np.pi * 20.5**2
    assert 0.9 * area < mask_on_canvas(page) < 1.35 * area  # the margin is marked, too
    fill(page, 2)
    status(page, "kept pixels changed")


MARKED = "document.querySelector('.mc').parentElement.maskCanvas.raster.data.reduce((a, b) => a + b, 0)"
SET_COLOUR = "(node, colour) => { node.value = colour; node.dispatchEvent(new Event('input', { bubbles: true })); }"


def test_the_mask_grows_shrinks_and_changes_its_colour(page, tmp_path):
    upload(page, saved_png(np.full((100, 100, 3), 128, np.uint8), tmp_path / "a.png"))
    tool(page, "rectangle")
    drag(page, (40, 40), (60, 60))
    first = mask_on_canvas(page)
    page.click('[data-part="mask-menu"] summary')
    page.fill('[data-part="pixels"]', "5")
    page.click('[data-edit="grow"]')
    page.wait_for_function(f"{MARKED} > {first}")
    grown = mask_on_canvas(page)
    assert 30 * 30 - 60 <= grown <= 31 * 31
    page.click('[data-edit="shrink"]')
    page.wait_for_function(f"{MARKED} < {grown}")
    assert abs(mask_on_canvas(page) - first) <= 42
    if page.locator('[data-edit="grow"]').is_visible():
        page.click('[data-part="mask-menu"] summary')  # it covers the photo
    shades = []
    for colour in ("#00ff00", "#0000ff"):
        page.locator('[data-part="colour"]').evaluate(SET_COLOUR, colour)
        x, y = where(page, 50, 50)
        page.screenshot(path=str(tmp_path / "shot.png"), clip={"x": x - 10, "y": y - 10, "width": 20, "height": 20})
        shades.append(np.array(Image.open(tmp_path / "shot.png").convert("RGB")).mean(axis=(0, 1)))
    assert shades[0].argmax() == 1 and shades[1].argmax() == 2


def test_every_step_of_the_history_can_be_downloaded_and_judged(page, tmp_path):
    photo = scene(100, 120)
    upload(page, saved_png(photo, tmp_path / "a.png"))
    drag(page, (30, 30), (40, 40))
    fill(page, 2)
    drag(page, (80, 70), (90, 75))
    fill(page, 3)
    steps = []
    for number in range(3):
        with page.expect_download() as waiting:
            page.click(f'[data-save="{number}"]')
        steps.append((waiting.value.suggested_filename, pixels(waiting.value)))
    assert [name for name, _ in steps] == ["a.png", "a_filled.png", "a_filled.png"]
    assert np.array_equal(steps[0][1], photo)
    second, third = ((steps[n][1] != steps[n - 1][1]).any(axis=2) for n in (1, 2))
    assert second[:60, :60].any() and not second[60:].any() and third[55:, 60:].any() and not third[:50, :60].any()
    page.click(".mc-report summary")
    page.click('[data-trust="depth"]')
    page.wait_for_function("document.querySelector('[data-part=\"trust-text\"]').textContent.includes('deepest')")
    act(page, "last-mask")
    page.wait_for_function("document.querySelector('.mc').parentElement.maskCanvas.raster.data.some(Boolean)")
    assert mask_on_canvas(page) > 10
    assert page.locator(".mc-status").bounding_box()["y"] + 16 <= 900  # what happened is seen without scrolling
