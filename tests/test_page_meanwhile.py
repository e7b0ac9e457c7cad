"""What is done on the page while something else is under way, in a real browser."""

import threading

import numpy as np

from tests.conftest import scene
from tests.pages import act, drag, fill, mask_on_canvas, saved_png, status, tool, upload, where

pytest_plugins = ["tests.pages"]
CANVAS = "document.querySelector('.mc').parentElement.maskCanvas"
DOT = "{tool: 'brush', radius: 4, points: [90, 70], erase: false}"


def strokes(page):
    return page.evaluate(f"{CANVAS}.strokes.items.map((one) => one.tool)")


def test_what_is_painted_during_a_fill_stays(page, served, tmp_path, monkeypatch):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    drag(page, (20, 20), (30, 30))
    inpainter, goes_on = served[1].networks.get(""), threading.Event()
    real = inpainter.fill
    monkeypatch.setattr(inpainter, "fill", lambda *given: (goes_on.wait(60), real(*given))[1])
    act(page, "fill")
    page.evaluate(f"{CANVAS}.commit({DOT})")
    goes_on.set()
    page.wait_for_function("document.querySelectorAll('.mc-history .mc-item').length === 2")
    page.wait_for_function(f"!{CANVAS}.work.busy && {CANVAS}.strokes.items.length === 1")
    assert mask_on_canvas(page) > 0
    page.evaluate(f"{CANVAS}.act('again')")
    page.wait_for_function(f"!{CANVAS}.work.busy && {CANVAS}.part('status').textContent")
    assert strokes(page) == ["brush"]
    page.keyboard.press("Control+z")
    assert strokes(page) == []


def test_what_is_painted_while_the_mask_is_edited_comes_after_it(page, tmp_path):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    drag(page, (20, 20), (30, 30))
    page.evaluate(f"() => {{ {CANVAS}.edit('grow'); {CANVAS}.edit('grow'); {CANVAS}.commit({DOT}); }}")
    page.wait_for_function(f"{CANVAS}.strokes.items.length === 3 && !{CANVAS}.editing")
    assert strokes(page) == ["brush", "mask", "brush"]
    page.keyboard.press("Control+z")
    assert strokes(page) == ["brush", "brush"]


def test_a_mask_that_comes_late_is_not_that_of_the_next_photo(page, tmp_path):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    page.evaluate(f"""async () => {{
        const canvas = {CANVAS}, {{ state }} = canvas;
        const late = canvas.find({{work: "region", region: "bottom 100%x20%"}});
        canvas.state = {{ ...state, token: "another" }};
        await late;
        canvas.state = state;
    }}""")
    assert strokes(page) == []
    lost = "{tool: 'mask', id: 'm0', mode: 'add'}"
    page.evaluate(f"() => {{ {CANVAS}.masks.m0 = {CANVAS}.raster; {CANVAS}.commit({lost}); }}")
    page.evaluate(f"{CANVAS}.act('save-mask')")
    assert "paint it again" in status(page, "no longer") and page.evaluate(f"{CANVAS}.state.name") == "a.png"


def test_a_server_that_does_not_answer_is_told_of(page, tmp_path):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    drag(page, (20, 20), (30, 30))
    fill(page, 2)
    page.evaluate(f"{CANVAS}.work.services.ask = async () => undefined")  # what Gradio gives where a request failed
    act(page, "undo-fill")
    status(page, "does not answer")
    page.evaluate(f"{CANVAS}.say('')")
    page.evaluate(f"() => {{ {CANVAS}.work.job = 'x'; {CANVAS}.work.setBusy(true); {CANVAS}.work.begun = true; }}")
    page.evaluate(f"{CANVAS}.work.cancel()")
    status(page, "does not answer")
    assert not page.evaluate(f"{CANVAS}.work.busy")


def test_another_photo_is_not_opened_during_a_fill_and_that_is_said(page, tmp_path):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    page.evaluate(f"{CANVAS}.work.setBusy(true)")
    page.set_input_files('[data-part="file"]', str(saved_png(scene(60, 60), tmp_path / "b.png")))
    assert "Still working on this photo" in status(page, "Still")
    assert page.evaluate(f"{CANVAS}.state.name") == "a.png"


def test_a_photo_that_is_ready_behind_another_tab_is_fitted_when_it_is_seen(page, tmp_path):
    page.get_by_role("tab", name="Models").click()
    page.set_input_files('[data-part="file"]', str(saved_png(scene(700, 2400), tmp_path / "a.png")))
    page.wait_for_function(f"{CANVAS}.photo && !{CANVAS}.work.busy")
    page.get_by_role("tab", name="Photo").click()
    page.wait_for_function(f"{CANVAS}.size && {CANVAS}.view.scale < 1")
    width = page.evaluate(f"{CANVAS}.size[0]")
    assert abs(page.evaluate(f"{CANVAS}.view.scale") - width / 2400) < 0.01


def test_undo_takes_back_the_last_corner_of_a_polygon(page, tmp_path):
    upload(page, saved_png(scene(80, 100), tmp_path / "a.png"))
    drag(page, (20, 20), (30, 30))
    tool(page, "polygon")
    for point in ((50, 20), (90, 20), (90, 60)):
        page.mouse.click(*where(page, *point))
    for count in (4, 2):
        page.keyboard.press("Control+z")
        assert page.evaluate(f"{CANVAS}.tools.corners.points.length") == count and strokes(page) == ["brush"]
    page.keyboard.press("Control+z")
    assert page.evaluate(f"{CANVAS}.tools.corners") is None and strokes(page) == ["brush"]
    page.keyboard.press("Control+z")
    assert strokes(page) == []


def test_the_map_of_trust_gives_way_to_what_is_painted(page, tmp_path):
    upload(page, saved_png(np.ascontiguousarray(scene(80, 100)), tmp_path / "a.png"))
    drag(page, (20, 20), (30, 30))
    fill(page, 2)
    page.evaluate(f"{CANVAS}.trust('depth')")
    page.wait_for_function(f"{CANVAS}.trustShown")
    drag(page, (60, 60), (70, 70))
    assert page.evaluate(f"{CANVAS}.trustShown") is None and mask_on_canvas(page) > 0
