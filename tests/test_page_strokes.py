"""What becomes of strokes: found masks, undo and redo, reloads, touches and keys, in a real browser."""

import numpy as np

from tests.conftest import scene
from tests.pages import act, drag, fill, mask_on_canvas, saved_png, status, tool, upload, where

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


def reload(page):
    page.reload()
    page.wait_for_function("document.querySelector('.mc')?.parentElement.maskCanvas?.photo")


def test_a_reload_shows_the_photo_and_the_strokes_of_now(new_page, tmp_path):
    page = new_page(locale="zh-CN")
    upload(page, saved_png(scene(80, 80), tmp_path / "first.png"))
    status(page, "first.png")
    reload(page)  # nothing was painted yet
    assert "first.png" in status(page, "first.png") and strokes(page) == []
    drag(page, (30, 30), (36, 36))
    fill(page, 2)
    reload(page)
    assert page.evaluate(f"{CANVAS}.state.current") == 1 and strokes(page) == []
    page.click(".mc-report summary")
    reason = page.inner_text(".mc-report td:last-child")
    assert reason and not any("a" <= letter <= "z" for letter in reason.lower())  # Chinese after a reload, too
    act(page, "undo-fill")
    page.wait_for_selector('.mc-history [data-step="0"][aria-current]')
    marked = mask_on_canvas(page)
    reload(page)
    assert strokes(page) == ["mask"] and mask_on_canvas(page) == marked
    page.evaluate("""() => sessionStorage.setItem("inpaint", JSON.stringify(
        { ...JSON.parse(sessionStorage.getItem("inpaint")), step: 1 }))""")  # another step became the current one
    reload(page)
    assert strokes(page) == []
    upload(page, saved_png(scene(60, 70), tmp_path / "second.png"))
    status(page, "second.png")
    reload(page)
    assert "second.png" in status(page, "second.png") and strokes(page) == []


def test_a_fill_that_was_undone_can_be_redone_while_only_its_mask_is_there(page, tmp_path):
    upload(page, saved_png(scene(80, 80), tmp_path / "a.png"))
    drag(page, (30, 30), (36, 36))
    fill(page, 2)
    redo = page.locator('[data-action="redo"]')
    for again in (lambda: page.keyboard.press("Control+Shift+Z"), redo.click):
        page.keyboard.press("Control+z")
        page.wait_for_selector('.mc-history [data-step="0"][aria-current]')
        assert strokes(page) == ["mask"] and redo.is_enabled()
        again()
        page.wait_for_selector('.mc-history [data-step="1"][aria-current]')
        assert strokes(page) == []
    page.keyboard.press("Control+z")
    page.wait_for_selector('.mc-history [data-step="0"][aria-current]')
    drag(page, (60, 60), (66, 66))
    assert redo.is_disabled()


def test_an_object_is_refined_where_it_is(page, tmp_path, monkeypatch):
    asked = []

    def find(photo, request):
        asked.append([request["labels"], bool(request["box"])])
        points = [[int(v) for v in point] for point in request["points"]]
        mask = np.zeros(photo.shape[:2], bool)
        for (x, y), label in zip(points, request["labels"], strict=True):
            mask[y - 3 : y + 4, x - 3 : x + 4] = label
        return mask

    def click(x, y, times, shift=False, button="left"):
        tool(page, "object")
        if shift:
            page.keyboard.down("Shift")
        page.mouse.click(*where(page, x, y), button=button)
        page.keyboard.up("Shift")
        page.wait_for_function(f"{CANVAS}.work.job !== window.job && (window.job = {CANVAS}.work.job)")
        status(page, "Object marked")
        assert len(asked) == times

    monkeypatch.setattr("inpaint.web.actions.find_object", find)
    upload(page, saved_png(scene(100, 120), tmp_path / "a.png"))
    click(20, 20, 1)
    tool(page, "brush")
    page.mouse.click(*where(page, 90, 80))
    click(60, 20, 2, shift=True)
    assert asked[-1] == [[1, 1], False] and strokes(page) == ["mask", "brush"]
    assert marks(page, 20, 20) and marks(page, 60, 20) and marks(page, 90, 80)
    click(20, 22, 3, button="right")
    assert asked[-1] == [[1, 1, 0], False] and strokes(page) == ["mask", "brush"]
    assert not marks(page, 20, 20) and marks(page, 60, 20) and marks(page, 90, 80)
    page.keyboard.press("Control+z")
    assert marks(page, 20, 20) and marks(page, 60, 20) and marks(page, 90, 80)
    click(100, 20, 4, shift=True)  # goes on from what is seen: the point taken away was undone
    assert asked[-1] == [[1, 1, 1], False] and strokes(page) == ["mask", "brush"]
    act(page, "clear")
    click(30, 60, 5, shift=True)  # the cleared object does not come back
    assert asked[-1] == [[1], False] and not marks(page, 20, 20)
    fill(page, 2)
    click(20, 20, 6, shift=True)  # nor does one that was filled
    assert asked[-1] == [[1], False] and strokes(page) == ["mask"]
    page.keyboard.press("Escape")
    click(60, 60, 7, shift=True)  # nor one that Esc ended
    assert asked[-1] == [[1], False] and strokes(page) == ["mask", "mask"]
    upload(page, saved_png(scene(100, 120), tmp_path / "b.png"))
    status(page, "b.png")
    click(60, 60, 8, shift=True)  # nor one of another photo
    assert asked[-1] == [[1], False] and strokes(page) == ["mask"]


TOUCH = """([id, type, x, y]) => document.querySelector('.mc-canvas').dispatchEvent(new PointerEvent(type, {
    pointerId: id, pointerType: "touch", clientX: x, clientY: y, button: 0, buttons: 1, bubbles: true }))"""


def test_fingers_that_zoom_leave_nothing_behind(page, tmp_path):
    def touch(finger, kind, x, y):
        page.evaluate(TOUCH, [finger, f"pointer{kind}", *where(page, x, y)])

    upload(page, saved_png(scene(100, 120), tmp_path / "a.png"))
    page.evaluate("HTMLCanvasElement.prototype.setPointerCapture = () => {}")  # made up fingers cannot be captured
    corners = f"{CANVAS}.tools.corners ? {CANVAS}.tools.corners.points.length / 2 : 0"
    tool(page, "polygon")
    for x, y in ((20, 20), (60, 20), (60, 60)):
        touch(1, "down", x, y)
        touch(1, "up", x, y)
    assert page.evaluate(corners) == 3
    for first in ((90, 70), (21, 21)):  # the second would close the polygon
        scale = page.evaluate(f"{CANVAS}.view.scale")
        touch(1, "down", *first)
        touch(2, "down", 40, 40)
        touch(2, "move", 44, 20)
        touch(1, "up", *first)
        touch(2, "up", 44, 20)
        assert page.evaluate(corners) == 3 and strokes(page) == []
        assert page.evaluate(f"{CANVAS}.view.scale") != scale
    act(page, "fit")
    for name in ("brush", "lasso", "object", "polygon"):
        tool(page, name)
        for finger in (1, 2, 3):
            touch(finger, "down", 20 * finger, 50)
        for finger in (3, 2, 1):
            touch(finger, "move", 20 * finger, 60)
            touch(finger, "up", 20 * finger, 60)
        assert strokes(page) == [] and not page.evaluate(f"{CANVAS}.busy")
    assert page.evaluate(corners) == 0 and mask_on_canvas(page) == 0


def test_keys_let_go_and_enter_does_what_the_tool_does(page, tmp_path):
    upload(page, saved_png(scene(100, 120), tmp_path / "a.png"))
    holding = f"Boolean({CANVAS}.holding)"
    send = "([kind, key]) => document.dispatchEvent(new KeyboardEvent(kind, { key, bubbles: true }))"
    page.focus(".mc-canvas")
    page.keyboard.down("c")
    assert page.evaluate(holding)
    page.evaluate(send, ["keyup", "C"])  # with Caps Lock, or Shift pressed meanwhile
    assert not page.evaluate(holding)
    page.keyboard.up("c")
    page.keyboard.down("c")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    assert not page.evaluate(holding)
    page.keyboard.up("c")
    for name in ("hand", "rectangle", "lasso"):
        tool(page, name)
        page.focus(".mc-canvas")
        page.keyboard.press("Enter")
        assert strokes(page) == []
    tool(page, "polygon")
    for closing in ([], ["ArrowUp"] * 4):  # at the last corner, and at the first
        page.focus(".mc-canvas")
        for keys in ([], ["ArrowRight"] * 4, ["ArrowDown"] * 4, ["ArrowLeft"] * 4, closing):
            for key in [*keys, "Enter"]:
                page.keyboard.press(key)
        assert strokes(page) == ["polygon"] and page.evaluate(f"{CANVAS}.strokes.items[0].points.length") == 8
        page.keyboard.press("Control+z")


def test_a_file_above_the_limit_is_refused_in_words(page, tmp_path):
    mask = saved_png(np.zeros((40, 40), np.uint8), tmp_path / "mask.png")
    upload(page, saved_png(scene(40, 40), tmp_path / "a.png"))
    page.route("**/upload*", lambda route: route.fulfill(status=413, body="File size exceeded maximum allowed size"))
    for part in ("mask-file", "file"):
        page.evaluate(f"{CANVAS}.say('')")
        page.set_input_files(f'[data-part="{part}"]', str(mask))
        assert "larger than this server accepts" in status(page, "could not be uploaded")
    assert page.evaluate(f"{CANVAS}.state.name") == "a.png"


def test_two_quick_strokes_of_the_restore_brush_are_both_kept(page, tmp_path):
    upload(page, saved_png(scene(100, 120), tmp_path / "a.png"))
    tool(page, "rectangle")
    drag(page, (20, 20), (100, 80))
    fill(page, 2)
    page.evaluate(f"""() => {{
        window.older = {CANVAS}.state;
        for (const x of [40, 80]) {CANVAS}.restore({{tool: "brush", radius: 8, points: [x, 50]}});
    }}""")
    page.wait_for_function("document.querySelectorAll('.mc-history .mc-item').length === 4")
    assert page.evaluate(f"{CANVAS}.state.steps.map((step) => step.parent)") == [-1, 0, 1, 2]
    page.evaluate(f"{CANVAS}.show(window.older)")  # an answer that comes late
    assert page.evaluate(f"{CANVAS}.state.current") == 3 and page.locator(".mc-history .mc-item").count() == 4


def test_what_was_painted_outlives_a_look_into_the_history(page, tmp_path):
    upload(page, saved_png(scene(80, 80), tmp_path / "a.png"))
    drag(page, (30, 30), (36, 36))
    fill(page, 2)
    drag(page, (60, 60), (66, 66))
    for number in (0, 1):
        page.click(f'.mc-history [data-step="{number}"]')
        page.wait_for_selector(f'.mc-history [data-step="{number}"][aria-current]')
        assert strokes(page) == ["brush"] and mask_on_canvas(page) > 0
    page.click('[data-action="undo-fill"]')
    page.wait_for_selector('.mc-history [data-step="0"][aria-current]')
    assert strokes(page) == ["brush"]


def test_the_photo_lies_under_the_pointer_on_a_screen_of_another_density(page, tmp_path):
    upload(page, saved_png(scene(80, 80), tmp_path / "a.png"))
    sizes = "() => { const c = document.querySelector('.mc-canvas'); return [c.width, c.clientWidth]; }"
    before = page.evaluate(sizes)
    client = page.context.new_cdp_session(page)
    box = page.viewport_size
    client.send("Emulation.setDeviceMetricsOverride", {**box, "deviceScaleFactor": 2, "mobile": False})
    page.mouse.move(*where(page, 20, 20))
    page.wait_for_function("() => document.querySelector('.mc').parentElement.maskCanvas.painter.ratio === 2")
    after = page.evaluate(sizes)
    assert after == [2 * before[0], before[1]]
