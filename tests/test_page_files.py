"""Files of many kinds and sizes, in a real browser."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.conftest import scene
from tests.pages import download, drag, fill, pixels, saved_png, status, tool, upload

pytest_plugins = ["tests.pages"]


def test_large_photo_is_filled_at_full_size(page, tmp_path):
    photo = np.tile(scene(400, 600), (10, 10, 1))
    upload(page, saved_png(photo, tmp_path / "large.png", compress_level=1))
    assert "6000 x 4000" in status(page, "6000")
    tool(page, "rectangle")
    drag(page, (3000, 2000), (3300, 2200))
    fill(page, 2)
    changed = (pixels(download(page)) != photo).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.sum() > 20_000
    assert rows.min() > 1900 and rows.max() < 2300 and columns.min() > 2900 and columns.max() < 3400


def test_rotated_jpeg_comes_back_rotated(page, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(96, 128)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upload(page, tmp_path / "turned.jpg")
    assert "96 x 128" in status(page, "pixels")  # upright: higher than wide
    drag(page, (30, 90), (40, 100))
    fill(page, 2)
    file = download(page)
    assert file.suggested_filename == "turned_filled.jpg"
    after, before = (ImageOps.exif_transpose(Image.open(f)) for f in (file.path(), tmp_path / "turned.jpg"))
    assert after.size == before.size == (96, 128)
    far = np.abs(np.array(after, int)[:48] - np.array(before, int)[:48])  # 16 px and more from the hole
    assert far.mean() < 1


def test_transparency_is_kept(page, tmp_path):
    alpha = np.full((80, 80), 255, np.uint8)
    alpha[:20] = 0
    rgba = np.dstack([scene(80, 80), alpha])
    upload(page, saved_png(rgba, tmp_path / "a.png"))
    drag(page, (40, 50), (46, 56))
    fill(page, 2)
    after = np.array(Image.open(download(page).path()))
    assert after.shape == (80, 80, 4) and np.array_equal(after[..., 3], alpha)


def test_a_broken_file_is_refused_in_words(page, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no photo")
    page.set_input_files('[data-part="file"]', str(tmp_path / "broken.jpg"))
    said = status(page, "broken.jpg")
    assert "/" not in said and "Traceback" not in said
    assert page.locator(".mc-drop").is_visible()
    upload(page, saved_png(scene(40, 40), tmp_path / "good.png"))


SEND = """([target, kind, bytes, name]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
    const settings = { bubbles: true, cancelable: true };
    document.querySelector(target).dispatchEvent(kind === "drop"
        ? new DragEvent("drop", { ...settings, dataTransfer: transfer })
        : new ClipboardEvent("paste", { ...settings, clipboardData: transfer }));
}"""


@pytest.mark.parametrize(("kind", "target"), [("drop", ".mc-stage"), ("paste", "body")])
def test_a_photo_can_be_dropped_and_pasted(page, tmp_path, kind, target):
    file = saved_png(scene(40, 50), tmp_path / "a.png")
    page.evaluate(SEND, [target, kind, list(file.read_bytes()), "sent.png"])
    assert "sent.png: 50 x 40" in status(page, "pixels")
    assert page.locator(".mc-drop").is_hidden()
