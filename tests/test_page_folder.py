"""The tab for many photos, in a real browser."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.conftest import scene
from tests.pages import saved_png

pytest_plugins = ["tests.pages"]


def open_tab(page):
    page.get_by_role("tab").nth(1).click()
    page.wait_for_selector("#folder-plan")


def plan(page):
    page.click("#folder-plan")
    page.wait_for_selector("#folder-plan-shown table, #folder-plan-shown .wrong")
    return page.inner_text("#folder-plan-shown")


def run(page):
    """The files of the ZIP that a run of the plan ends with."""
    page.wait_for_selector("#folder-run:not([disabled])")
    page.click("#folder-run")
    page.wait_for_selector("#folder-zip")
    with page.expect_download() as waiting:
        page.click("#folder-zip")
    packed = zipfile.ZipFile(waiting.value.path())
    return {name: packed.read(name) for name in packed.namelist()}


def upload_all(page, where, *files):
    page.set_input_files(f"{where} input[type=file]", [str(file) for file in files])
    page.wait_for_selector(f"{where} >> text={files[-1].stem[:4]}")


def test_uploads_with_one_mask_for_all(page, tmp_path):
    photos = {name: scene(60, 80, seed) for seed, name in enumerate(("one.png", "two.png", "three.png"))}
    hole = np.zeros((60, 80), bool)
    hole[10:30, 20:40] = True
    open_tab(page)
    page.get_by_label("Upload", exact=True).check()
    upload_all(page, "#folder-uploads", *(saved_png(pixels, tmp_path / name) for name, pixels in photos.items()))
    page.locator("#folder-masks input").nth(1).check()
    upload_all(page, "#folder-one", saved_png(hole.astype(np.uint8) * 255, tmp_path / "hole.png"))
    text = plan(page)
    assert "Photos to fill: 3. Nothing has been done yet." in text and text.count("hole.png (one for all)") == 3
    assert page.locator("#folder-zip").is_hidden()
    files = run(page)
    assert set(files) == {*photos, "report.html"}
    for name, before in photos.items():
        after = np.array(Image.open(io.BytesIO(files[name])))
        assert np.array_equal(after[~hole], before[~hole]) and (after[hole] != before[hole]).any()
    said = page.inner_text("#folder-progress")
    assert "3 of 3 photos filled" in said and "Kept pixels that changed: 0." in said
    shown = page.eval_on_selector_all("#folder-results img", "images => images.map((one) => one.src)")
    assert len(shown) >= 3 and all(source.endswith(".png") for source in shown)


def test_a_changed_choice_makes_the_plan_invalid(page):
    open_tab(page)
    page.locator("#folder-masks input").nth(2).check()
    page.wait_for_selector("#folder-many")
    text = plan(page)
    assert "lake_mask.png (its name says so)" in text and "trip/hill.png" in text.split("Photos without a mask")[1]
    page.wait_for_selector("#folder-run:not([disabled])")
    page.locator("#folder-masks input").nth(0).check()
    page.wait_for_selector("#folder-run[disabled]")


def test_a_folder_of_the_server_with_a_rule(page, photo_folder):
    before = {path: path.read_bytes() for path in photo_folder.rglob("*.png")}
    open_tab(page)
    page.locator("#folder-rule input").fill("region:bottom-right 18%x6%")
    page.locator("#folder-rule input").press("Enter")
    assert "rule region:bottom-right 18%x6%" in plan(page)
    files = run(page)
    assert set(files) == {"lake.png", "lake_mask.png", "trip/hill.png", "report.html"}
    assert {path: path.read_bytes() for path in photo_folder.rglob("*") if path.is_file()} == before
    page.locator("#folder-rule input").fill("/etc")
    page.locator("#folder-rule input").press("Enter")
    page.wait_for_selector("#folder-run[disabled]")
    page.click("#folder-plan")
    page.wait_for_selector("#folder-plan-shown [role=alert]")
    assert "is no mask rule" in page.inner_text("#folder-plan-shown")


def test_visitors_run_side_by_side_and_each_stops_their_own(new_page, served):
    pages, held = [new_page(), new_page()], served[1].turns.ask("somebody who fills")
    try:
        for page in pages:
            open_tab(page)
            page.locator("#folder-rule input").fill("region:bottom-right 18%x6%")
            page.locator("#folder-rule input").press("Enter")
            plan(page)
            page.click("#folder-run:not([disabled])")
            page.wait_for_selector("#folder-progress >> text=0 of 3 photos")
            page.wait_for_selector("#folder-stop:not([disabled])")
            page.wait_for_selector("#folder-run[disabled]")
            page.wait_for_selector("#folder-plan[disabled]")  # another plan would take the place of this one
        pages[0].click("#folder-stop")
        pages[0].wait_for_selector("#folder-progress >> text=Stopped: 3 were not begun.")
        pages[0].wait_for_selector("#folder-plan:not([disabled])")
        assert pages[0].is_disabled("#folder-stop") and pages[0].is_disabled("#folder-run")
        assert "0 of 3 photos" in pages[1].inner_text("#folder-progress")
    finally:
        held.done()
    pages[1].wait_for_selector("#folder-zip")
    assert "3 of 3 photos filled" in pages[1].inner_text("#folder-progress")


def test_a_thumbnail_opens_its_photo(page):
    open_tab(page)
    page.wait_for_selector("#folder-browse img")
    page.click('#folder-browse button:has-text("hill.png")')
    page.wait_for_selector(".mc-drop", state="hidden")
    page.wait_for_function("document.querySelector('.mc-status').textContent.includes('hill.png: 80 x 60')")
    assert page.locator(".mc-canvas").is_visible()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_phone(new_page, language):
    page = new_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2, locale=language
    )
    open_tab(page)
    text = plan(page)
    assert ("Nothing has been done yet" if language == "en" else "尚未执行") in text
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if language == "zh-CN":
        assert page.inner_text("#folder-run") == "执行计划" and "服务器上的文件夹" in page.inner_text("body")
