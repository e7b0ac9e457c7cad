"""The page in a real browser: fixtures and what hands do, for tests/test_page*.py.

Skipped where there is no Chromium; tests/test_web_*.py cover the server without one.
"""

import shutil
import threading
import time

import numpy as np
import pytest
import uvicorn
from PIL import Image

from app import build_app
from inpaint.web.actions import Actions
from inpaint.web.folder import PhotoFolder
from inpaint.web.networks import Networks
from inpaint.web.session import SessionStore
from tests.conftest import scene

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if CHROMIUM is None:
    pytest.skip("no Chromium was found", allow_module_level=True)
PATIENCE = 120_000  # ms; CI machines are slow and shared


@pytest.fixture(scope="module")
def photo_folder(tmp_path_factory):
    """A folder that the server shows: two photos, one in a sub-folder, and the mask of one."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "trip").mkdir()
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:50] = 255
    Image.fromarray(scene(60, 80, 1)).save(folder / "lake.png")
    Image.fromarray(scene(60, 80, 2)).save(folder / "trip" / "hill.png")
    Image.fromarray(mask).save(folder / "lake_mask.png")
    return folder


@pytest.fixture(scope="module")
def served(inpainter, photo_folder):
    from gradio.utils import get_upload_folder

    actions = Actions(SessionStore(), Networks.of(inpainter), get_upload_folder, PhotoFolder(photo_folder))
    server = uvicorn.Server(uvicorn.Config(build_app(actions), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    actions.networks.warm_up()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", actions
    server.should_exit = True
    thread.join(20)
    actions.store.close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(served, browser):
    """Opens the page in a fresh context; every request that leaves this machine fails the test, as do script errors."""
    contexts, foreign, wrong = [], [], []

    def open_page(**settings):
        usual = {"viewport": {"width": 1280, "height": 900}, "accept_downloads": True}
        context = browser.new_context(**(usual | settings))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        local = (served[0], "data:", "blob:")
        page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith(local) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(served[0])
        page.wait_for_selector(".mc-drop:not([hidden])")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert foreign == [] and wrong == []


@pytest.fixture
def page(new_page):
    return new_page()


def upload(page, path):
    page.set_input_files('[data-part="file"]', str(path))
    page.wait_for_selector(".mc-drop", state="hidden")


def status(page, text=""):
    page.wait_for_function("text => document.querySelector('.mc-status').textContent.includes(text)", arg=text)
    return page.inner_text(".mc-status")


def where(page, x, y):
    """Screen coordinates of a point of the photo."""
    place = "([x, y]) => document.querySelector('.mc').parentElement.maskCanvas"
    at = page.evaluate(place + ".view.toScreen(x, y)", [x, y])
    box = page.locator(".mc-canvas").bounding_box()
    return box["x"] + at[0], box["y"] + at[1]


def drag(page, *points):
    page.mouse.move(*where(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*where(page, *point), steps=6)
    page.mouse.up()


def tool(page, name):
    page.click(f'[data-tool="{name}"]')


def act(page, name):
    page.click(f'[data-action="{name}"]')


def fill(page, steps):
    """Press Fill and wait until the history has so many steps."""
    act(page, "fill")
    page.wait_for_function(f"document.querySelectorAll('.mc-history .mc-item').length === {steps}")
    page.wait_for_selector('[data-part="progress"]', state="hidden")


def download(page, name="download"):
    with page.expect_download() as waiting:
        act(page, name)
    return waiting.value


def pixels(download):
    with Image.open(download.path()) as file:
        return np.array(file.convert("RGB"))


def saved_png(pixels, path, **settings):
    Image.fromarray(pixels).save(path, **settings)
    return path


def mask_on_canvas(page):
    """Pixels that the canvas shows as marked."""
    canvas = "document.querySelector('.mc').parentElement.maskCanvas"
    return page.evaluate(f"{canvas}.raster.data.reduce((a, b) => a + b, 0)")
