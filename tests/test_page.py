import threading
import time
import urllib.request

import numpy as np
import pytest
import uvicorn
from PIL import Image

from app import build_app
from inpaint.errors import InpaintError, MaskError
from inpaint.web.page import fill_painted, painted
from tests.conftest import scene


def layer(height, width):
    picture = np.zeros((height, width, 4), np.uint8)
    picture[height // 3 : height // 2, width // 3 : width // 2] = (255, 59, 107, 255)
    return picture


def test_only_the_layers_alpha_counts():
    value = {"background": np.full((40, 60, 3), 9), "layers": [layer(40, 60)], "composite": None}
    assert painted(value, (40, 60)).sum() == 7 * 10
    assert painted(value, (80, 120)).sum() == 4 * 7 * 10
    assert not painted(None, (4, 4)).any()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_filled_file_comes_from_the_upload(inpainter, tmp_path, suffix):
    photo = scene(120, 90)
    Image.fromarray(photo).save(tmp_path / f"holiday{suffix}")
    spoiled = {"background": np.zeros((120, 90, 3), np.uint8), "layers": [layer(120, 90)], "composite": None}
    (before, after), download, text = fill_painted(inpainter, str(tmp_path / f"holiday{suffix}"), spoiled, "auto", 0)
    mask = painted(spoiled, (120, 90))
    source = np.array(Image.open(tmp_path / f"holiday{suffix}"))
    assert np.array_equal(np.array(Image.open(before)), source)
    assert np.array_equal(np.array(Image.open(after))[~mask], source[~mask])
    assert download.endswith(f"holiday_filled{suffix}") and Image.open(download).size == (90, 120)
    assert "0 of 10,500 kept pixels changed" in text


def test_missing_parts_are_said(inpainter, tmp_path):
    with pytest.raises(InpaintError, match="upload a photo first"):
        fill_painted(inpainter, None, None, "auto", 0)
    Image.fromarray(scene(20, 20)).save(tmp_path / "a.png")
    with pytest.raises(MaskError, match="paint over what should go"):
        fill_painted(inpainter, str(tmp_path / "a.png"), None, "auto", 0)


def test_server_answers(inpainter):
    server = uvicorn.Server(uvicorn.Config(build_app(inpainter), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as reply:
            assert reply.read() == b'{"status":"ok"}'
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as reply:
            assert b"gradio" in reply.read().lower()
    finally:
        server.should_exit = True
        thread.join(20)
