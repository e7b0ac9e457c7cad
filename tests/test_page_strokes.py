"""What becomes of strokes: found masks, undo and redo, reloads, touches and keys, in a real browser."""

import numpy as np

from tests.conftest import scene
from tests.pages import mask_on_canvas, saved_png, upload

pytest_plugins = ["tests.pages"]
CANVAS = "document.querySelector('.mc').parentElement.maskCanvas"


def strokes(page):
    """The tools of the operations that the mask is made of."""
    return page.evaluate(f"{CANVAS}.strokes.items.map((one) => one.tool)")


def marks(page, x, y):
    """Whether a pixel of a photo that is shown at its own size is marked."""
    return bool(page.evaluate(f"([x, y]) => {CANVAS}.raster.data[y * {CANVAS}.raster.width + x]", [x, y]))


def idle(page):
    page.wait_for_function(f"!{CANVAS}.busy")
    page.wait_for_timeout(300)  # what Gradio delivers twice comes at once


def box(height, width, left, top, right, bottom):
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_what_is_found_is_marked_once(page, tmp_path, monkeypatch):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    monkeypatch.setattr("inpaint.web.actions.find_text", lambda photo, sensitivity: box(80, 100, 30, 10, 60, 20))
    for count in (1, 2):
        page.click("#find-text")
        page.wait_for_function(f"{CANVAS}.strokes.items.length >= {count}")
        idle(page)
        assert strokes(page) == ["mask"] * count
    for _ in range(2):
        page.keyboard.press("Control+z")
    assert mask_on_canvas(page) == 0
