"""Painting, filling and looking, in a real browser."""

import threading
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.conftest import scene
from tests.pages import act, download, drag, fill, mask_on_canvas, pixels, saved_png, status, tool, upload, where

pytest_plugins = ["tests.pages"]


def test_paint_fill_and_download_change_only_the_painted_place(page, tmp_path):
    photo = scene(180, 240)
    upload(page, saved_png(photo, tmp_path / "garden.png"))
    drag(page, (60, 60), (110, 70), (100, 110))
    marked = mask_on_canvas(page)
    fill(page, 2)
    assert "0 of" in status(page, "kept pixels changed")
    file = download(page)
    assert file.suggested_filename == "garden_filled.png"
    changed = (pixels(file) != photo).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert 0 < changed.sum() <= marked
    assert rows.min() > 30 and rows.max() < 140 and columns.min() > 30 and columns.max() < 140
    assert not changed[:, :30].any() and page.locator('[data-part="compare"]').is_visible()


def test_undo_and_redo_of_strokes_and_fills(page, tmp_path):
    photo = scene(120, 160)
    upload(page, saved_png(photo, tmp_path / "a.png"))
    drag(page, (40, 40), (60, 50))
    one = mask_on_canvas(page)
    drag(page, (100, 80), (120, 90))
    two = mask_on_canvas(page)
    assert two > one > 0
    page.keyboard.press("Control+z")
    assert mask_on_canvas(page) == one
    page.keyboard.press("Control+Shift+Z")
    assert mask_on_canvas(page) == two
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelectorAll('.mc-history .mc-item').length === 2")
    page.wait_for_selector('[data-part="progress"]', state="hidden")
    filled = pixels(download(page))
    act(page, "undo-fill")
    page.wait_for_selector('.mc-history [data-step="0"][aria-current]')
    assert mask_on_canvas(page) == two  # the mask comes back
    assert np.array_equal(pixels(download(page)), photo)
    act(page, "redo-fill")
    page.wait_for_selector('.mc-history [data-step="1"][aria-current]')
    assert np.array_equal(pixels(download(page)), filled)


def test_every_shape_marks_what_it_encloses(page, tmp_path):
    upload(page, saved_png(scene(120, 160), tmp_path / "a.png"))
    tool(page, "rectangle")
    drag(page, (20, 20), (60, 50))
    box = mask_on_canvas(page)
    assert abs(box - 40 * 30) < 80
    tool(page, "eraser")
    drag(page, (20, 35), (60, 35))
    assert mask_on_canvas(page) < box
    act(page, "clear")
    assert mask_on_canvas(page) == 0
    tool(page, "lasso")
    drag(page, (100, 20), (140, 20), (140, 60), (100, 60))
    assert abs(mask_on_canvas(page) - 1600) < 120
    act(page, "clear")
    tool(page, "polygon")
    for corner in ((20, 70), (60, 70), (60, 110)):
        page.mouse.click(*where(page, *corner))
    page.keyboard.press("Enter")
    assert abs(mask_on_canvas(page) - 800) < 80
    page.keyboard.press("x")
    assert page.get_attribute('[data-tool="eraser"]', "aria-pressed") == "true"


def test_keyboard_alone_paints_and_fills(page, tmp_path):
    upload(page, saved_png(scene(100, 100), tmp_path / "a.png"))
    page.focus(".mc-canvas")
    for key in ("]", "ArrowRight", "ArrowDown", "Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert mask_on_canvas(page) > 20
    page.keyboard.press("Control+Enter")
    status(page, "kept pixels changed")


def test_zoom_and_pan_keep_strokes_in_place(page, tmp_path):
    upload(page, saved_png(scene(100, 150), tmp_path / "a.png"))
    page.mouse.move(*where(page, 75, 50))
    page.mouse.wheel(0, -600)
    page.wait_for_function("document.querySelector('.mc').parentElement.maskCanvas.view.scale > 8")
    tool(page, "rectangle")
    drag(page, (70, 45), (80, 55))
    assert abs(mask_on_canvas(page) - 100) <= 21
    tool(page, "hand")
    before = where(page, 75, 50)
    drag(page, (75, 50), (80, 50))
    assert where(page, 75, 50)[0] > before[0]
    act(page, "fit")
    assert abs(mask_on_canvas(page) - 100) <= 21


def test_mask_upload_edit_and_download(page, tmp_path):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    mask = np.zeros((80, 100), np.uint8)
    mask[30:50, 40:70] = 255
    page.set_input_files('[data-part="mask-file"]', str(saved_png(mask, tmp_path / "mask.png")))
    status(page, "600 pixels marked")
    assert mask_on_canvas(page) == 600
    page.click('[data-part="mask-menu"] summary')
    page.click('[data-edit="invert"]')
    status(page, "7,400 pixels marked")
    page.keyboard.press("Control+z")
    assert mask_on_canvas(page) == 600
    with page.expect_download() as waiting:
        act(page, "save-mask")
    assert waiting.value.suggested_filename == "a_mask.png"
    assert np.array_equal(np.array(Image.open(waiting.value.path())), mask)


def test_restore_brush_paints_the_original_back(page, tmp_path):
    photo = scene(120, 120)
    upload(page, saved_png(photo, tmp_path / "a.png"))
    tool(page, "rectangle")
    drag(page, (30, 30), (90, 90))
    fill(page, 2)
    tool(page, "restore")
    drag(page, (60, 60), (61, 60))
    status(page, "of the original are back")
    result = pixels(download(page))
    assert np.array_equal(result[59:62, 59:62], photo[59:62, 59:62])
    assert (result[32:36, 32:88] != photo[32:36, 32:88]).any()


def test_alternatives_can_be_picked(page, tmp_path):
    upload(page, saved_png(scene(100, 100), tmp_path / "a.png"))
    drag(page, (50, 50), (60, 60))
    page.locator("input[type=number]").nth(1).fill("3")
    page.locator("input[type=number]").nth(1).press("Tab")
    fill(page, 4)
    assert page.locator(".mc-alternatives .mc-step").count() == 3
    page.click('.mc-alternatives [data-step="3"]')
    page.wait_for_selector('.mc-alternatives [data-step="3"][aria-current]')
    page.click(".mc-report summary")
    page.click('[data-trust="disagreement"]')
    page.wait_for_function("document.querySelector('[data-part=\"trust-text\"]').textContent.includes('disagreement')")
    act(page, "again")
    page.wait_for_function("document.querySelectorAll('.mc-history .mc-item').length >= 5")


def test_found_text_is_marked(page, served, tmp_path, monkeypatch):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    found = np.zeros((80, 100), bool)
    found[10:20, 30:60] = True
    monkeypatch.setattr("inpaint.web.actions.find_text", lambda photo, sensitivity: found)
    page.click("#find-text")
    status(page, "Text found")
    assert mask_on_canvas(page) >= 300
    monkeypatch.setattr("inpaint.web.actions.find_text", lambda photo, sensitivity: found & False)
    page.click("#find-text")
    assert "No text was found" in status(page, "No text")
    page.click("#mark-region")
    status(page, "pixels marked")


def test_cancel_stops_a_fill(page, served, tmp_path, monkeypatch):
    upload(page, saved_png(scene(64, 64), tmp_path / "a.png"))
    drag(page, (30, 30), (36, 36))
    fills = served[1].networks.get()

    def slow(photo, mask, options, notes, progress):
        for step in range(600):
            progress_goes_on = progress("structure", step / 600)
            if progress_goes_on is False:
                from inpaint.errors import Cancelled

                raise Cancelled("the fill was cancelled")
            time.sleep(0.1)
        raise AssertionError("was not cancelled")

    monkeypatch.setattr(fills, "fill", slow)
    act(page, "fill")
    page.wait_for_function("document.querySelector('[data-part=\"stage-name\"]').textContent.includes('Structure')")
    act(page, "cancel")
    assert status(page, "Cancelled") == "Cancelled; nothing was changed."
    assert page.locator('[data-part="history"]').is_hidden()
    monkeypatch.undo()
    fill(page, 2)


def test_reload_keeps_photo_history_and_strokes(page, tmp_path):
    upload(page, saved_png(scene(80, 80), tmp_path / "a.png"))
    drag(page, (30, 30), (36, 36))
    fill(page, 2)
    drag(page, (60, 60), (66, 66))
    marked = mask_on_canvas(page)
    page.reload()
    page.wait_for_function("document.querySelectorAll('.mc-history .mc-item').length === 2")
    assert mask_on_canvas(page) == marked
    fill(page, 3)


def test_two_people_do_not_meet(new_page, tmp_path):
    first, second = new_page(), new_page()
    photos = scene(80, 80, 1), scene(90, 70, 2)
    upload(first, saved_png(photos[0], tmp_path / "one.png"))
    upload(second, saved_png(photos[1], tmp_path / "two.png"))
    drag(first, (30, 30), (40, 40))
    drag(second, (20, 60), (30, 70))
    act(first, "fill")
    act(second, "fill")
    for page, photo, name in ((first, photos[0], "one_filled.png"), (second, photos[1], "two_filled.png")):
        page.wait_for_function("document.querySelectorAll('.mc-history .mc-item').length === 2")
        file = download(page)
        assert file.suggested_filename == name
        changed = (pixels(file) != photo).any(axis=2)
        assert 0 < changed.mean() < 0.3


def test_chinese(new_page, tmp_path):
    page = new_page(locale="zh-CN")
    assert "画笔" in page.inner_text('[data-tool="brush"]') and page.get_attribute('[data-action="fit"]', "aria-label")
    page.wait_for_selector("text=查找文字")
    upload(page, saved_png(scene(60, 60), tmp_path / "照片.png"))
    assert "照片.png：60 x 60" in status(page, "像素")  # noqa: RUF001
    act(page, "fill")
    status(page, "请先涂抹要去除的部分")
    drag(page, (30, 30), (36, 36))
    fill(page, 2)
    assert "改变了 0 个" in status(page, "改变了")
    assert download(page).suggested_filename == "照片_filled.png"


def test_phone(new_page, tmp_path):
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2)
    upload(page, saved_png(scene(120, 90), tmp_path / "a.png"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.touchscreen.tap(*where(page, 45, 60))
    assert mask_on_canvas(page) > 10
    page.tap('[data-action="fill"]')
    status(page, "kept pixels changed")
    stage = page.locator(".mc-stage").bounding_box()
    assert stage["x"] <= 12 and stage["width"] >= 366  # the photo has nearly the whole width
    for name in ("fill", "download", "compare"):
        box = page.locator(f'[data-action="{name}"]').bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 34


def test_every_control_has_a_name(page, tmp_path):
    upload(page, saved_png(scene(40, 40), tmp_path / "a.png"))
    nameless = page.evaluate("""() => Array.from(document
        .querySelectorAll('.mc button, .mc input:not([hidden]), .mc canvas'))
        .filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label') || node.closest('label')))
        .map((node) => node.outerHTML.slice(0, 80))""")
    assert nameless == []


def test_dark_mode_has_readable_text(new_page):
    page = new_page(color_scheme="dark")
    page.wait_for_function("document.body.classList.contains('dark')")
    shades = "getComputedStyle(document.querySelector('.mc-size')).color.match(/[0-9]+/g).map(Number)"
    assert min(page.evaluate(shades)) > 150


def test_real_text_is_found_and_removed(page, tmp_path):
    pytest.importorskip("rapidocr", reason="rapidocr is not installed")
    picture = Image.new("RGB", (420, 160), (225, 225, 215))
    ImageDraw.Draw(picture).text((60, 60), "SUMMER 2026", fill=(20, 20, 40), font_size=40)
    picture.save(tmp_path / "a.png")
    upload(page, tmp_path / "a.png")
    page.click("#find-text")
    status(page, "Text found")
    letters = np.array(picture).mean(axis=2) < 120
    assert mask_on_canvas(page) >= letters.sum()
    fill(page, 2)
    after = pixels(download(page)).mean(axis=2)
    assert (after[letters] > 180).mean() > 0.95


def test_work_that_waits_for_its_turn_can_be_cancelled(new_page, served, tmp_path, monkeypatch):
    first, second = new_page(), new_page()
    for page in (first, second):
        upload(page, saved_png(scene(64, 64), tmp_path / "a.png"))
        drag(page, (30, 30), (36, 36))
    going_on = threading.Event()
    fills, real = served[1].networks.get(), served[1].networks.get().fill

    def slow(*given):
        assert going_on.wait(60)
        return real(*given)

    monkeypatch.setattr(fills, "fill", slow)
    act(first, "fill")
    first.wait_for_selector('[data-part="progress"]:not([hidden])')
    act(second, "fill")
    assert "Waiting" in second.inner_text('[data-part="stage-name"]')
    act(second, "cancel")
    assert status(second, "Cancelled") == "Cancelled; nothing was changed."
    assert second.locator('[data-part="progress"]').is_hidden()
    going_on.set()
    first.wait_for_function("document.querySelectorAll('.mc-history .mc-item').length === 2")
    fill(second, 2)  # its own, not the cancelled one
    assert second.locator(".mc-history .mc-item").count() == 2


def test_models_show_their_card_and_where_they_look(page):
    page.get_by_role("tab", name="Models").click()
    page.wait_for_selector("svg[role=img] rect >> nth=3")
    page.wait_for_selector("#looks img")
    assert page.get_attribute("#looks img", "src").endswith(".png")
    page.wait_for_selector("text=Measured with the weights in use")
    page.wait_for_selector("text=Model card")


def test_reasons_and_file_errors_are_chinese_on_the_chinese_page(new_page, tmp_path):
    page = new_page(locale="zh-CN")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no photo")
    page.set_input_files('[data-part="file"]', str(tmp_path / "broken.jpg"))
    assert status(page, "broken.jpg").startswith("broken.jpg：已损坏或不完整")  # noqa: RUF001
    upload(page, saved_png(scene(100, 100), tmp_path / "a.png"))
    tool(page, "rectangle")
    drag(page, (40, 40), (60, 60))
    fill(page, 2)
    page.click(".mc-report summary")
    reason = page.inner_text(".mc-report td:last-child")
    assert reason and not any("a" <= letter <= "z" for letter in reason.lower())


def test_what_a_mask_in_doubt_means_can_be_said(page, tmp_path):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    mask = np.zeros((80, 100), np.uint8)
    mask[:56] = 255  # white over 70 %: neither side is clearly the hole
    path = saved_png(mask, tmp_path / "mask.png")
    page.set_input_files('[data-part="mask-file"]', str(path))
    assert "say which beside the upload" in status(page, "may be the hole")
    page.click('[data-part="mask-menu"] summary')
    page.select_option('[data-part="mask-is"]', "black")
    page.set_input_files('[data-part="mask-file"]', str(path))
    status(page, "2,400 pixels marked")
    assert mask_on_canvas(page) == 2400
