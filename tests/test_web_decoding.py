"""Uploads are decoded by processes that may crash."""

import os
import signal
import subprocess
import sys
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from inpaint.errors import MaskError, OutputError, PhotoError
from inpaint.options import FillOptions
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.limits import Limits
from inpaint.photo.staging import Staging
from inpaint.web.actions import Actions
from inpaint.web.decoding import Crashed, Decoders, apply_steps
from inpaint.web.folder import FolderJob, FolderRequest
from inpaint.web.networks import Networks
from inpaint.web.session import SessionStore
from tests.conftest import scene

CRASH = """
import ctypes
import inpaint.web.decoding as decoding
real = decoding.HERE.photo
def load(path, *rest):  # stands for a decoder with a hole in it
    if b"CRASH" in path.read_bytes():
        ctypes.string_at(0)
    if b"SLEEP" in path.read_bytes():
        import time
        time.sleep(600)
    return real(path, *rest)
decoding._WORK["photo"] = load
"""


def saved(pixels, path):
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def decoders():
    made = Decoders(1, patience=60)
    yield made
    made.close()


@pytest.fixture
def crashing(monkeypatch, tmp_path):
    """Decoders in which a file with CRASH in it ends the process by a fault of memory, and SLEEP hangs it."""
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "crash.py").write_text(CRASH)
    real = subprocess.Popen

    def popen(command, **settings):
        settings["env"]["PYTHONPATH"] += os.pathsep + str(tmp_path / "patch")
        return real([sys.executable, "-c", "import crash; crash.decoding.main()"], **settings)

    monkeypatch.setattr("inpaint.web.decoding.subprocess.Popen", popen)


def test_what_comes_back_is_what_this_process_would_read(decoders, tmp_path):
    pixels = scene(40, 50)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo = decoders.photo(tmp_path / "a.png", Limits())
    assert np.array_equal(photo.pixels, pixels) and photo.source.format == "PNG"
    mask = np.zeros((40, 50), np.uint8)
    mask[5:9, 5:9] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    found, notes = decoders.mask(tmp_path / "m.png", (40, 50), "auto", 1, Limits())
    assert np.array_equal(found, mask > 0) and "white is the hole" in notes[0]
    with pytest.raises(MaskError, match="shapes that do not match"):
        decoders.mask(tmp_path / "m.png", (40, 90), "auto", 1, Limits())
    with pytest.raises(PhotoError, match="file not found"):
        decoders.photo(tmp_path / "b.png", Limits())
    assert decoders.size(tmp_path / "a.png") == (50, 40) and decoders.size(tmp_path / "b.png") is None
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert decoders.form(tmp_path / "a.jpg", Limits()) == "PNG"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_what_they_write_is_what_this_process_would_write(decoders, tmp_path, suffix):
    photo, hole = load_photo(saved(scene(40, 50), tmp_path / f"a{suffix}")), np.zeros((40, 50), bool)
    hole[5:20, 8:30] = True
    filled = photo.with_pixels(np.where(hole[..., None], 90, photo.pixels).astype(np.uint8))
    saved_here = save_photo(filled, tmp_path / f"here{suffix}", hole=hole)
    settings = {"lossless": False, "keep_time": False, "hole": hole, "durable": True}
    with Staging() as staging:
        path = tmp_path / f"there{suffix}"
        found = decoders.write(staging.reserve(path), filled, path, **settings)
        staging.commit()
    assert path.read_bytes() == (tmp_path / f"here{suffix}").read_bytes()
    assert found.verification == saved_here.verification and found.verification.kept == 40 * 50 - 330
    with pytest.raises(OutputError, match=r"there\.png: cannot be written"), Staging() as staging:
        path = tmp_path / "no" / "there.png"
        decoders.write(staging.reserve(path), filled, path, **settings)


def test_a_crash_is_an_error_that_names_the_file_and_the_next_file_is_read(crashing, decoders, tmp_path):
    Image.fromarray(scene(8, 8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"CRASH")
    with pytest.raises(Crashed, match=r"bad\.png: made the decoder crash \(SIGSEGV\), so it was refused"):
        decoders.photo(tmp_path / "bad.png", Limits())
    assert decoders.photo(tmp_path / "good.png", Limits()).pixels.shape == (8, 8, 3)


def test_a_file_that_hangs_is_given_up(crashing, decoders, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"SLEEP")
    decoders.start()
    decoders.patience = 1.0
    start = time.monotonic()
    with pytest.raises(Crashed, match=r"bad\.png: took too long to decode"):
        decoders.photo(tmp_path / "bad.png", Limits())
    assert time.monotonic() - start < 30


def test_a_killed_process_is_replaced(decoders, tmp_path):
    Image.fromarray(scene(8, 8)).save(tmp_path / "good.png")
    decoders.start()
    (process,) = decoders._all
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert decoders.photo(tmp_path / "good.png", Limits()).pixels.shape == (8, 8, 3)


def test_several_at_once(tmp_path):
    decoders = Decoders(2)
    for number in range(6):
        Image.fromarray(scene(20, 20 + number)).save(tmp_path / f"{number}.png")
    shapes = {}

    def read(number):
        shapes[number] = decoders.photo(tmp_path / f"{number}.png", Limits()).pixels.shape

    threads = [threading.Thread(target=read, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == {number: (20, 20 + number, 3) for number in range(6)} and len(decoders._all) <= 2
    decoders.close()


def test_the_page_survives_a_crash(crashing, inpainter, tmp_path):
    actions = Actions(SessionStore(), Networks.of(inpainter), lambda: str(tmp_path))
    (tmp_path / "bad.png").write_bytes(b"CRASH")
    Image.fromarray(scene(16, 16)).save(tmp_path / "good.png")
    request = {"action": "open", "path": str(tmp_path / "bad.png"), "name": "bad.png", "language": "zh-CN"}
    said = actions.ask(request)["error"]["text"]
    assert said == "bad.png：使解码器崩溃（SIGSEGV），因此被拒绝"  # noqa: RUF001
    request |= {"path": str(tmp_path / "good.png"), "name": "good.png"}
    assert actions.ask(request)["state"]["width"] == 16
    actions.store.close()


@pytest.fixture
def opens_nothing(monkeypatch):
    """No picture file can be opened in this process."""

    def refuse(*_, **__):
        raise AssertionError("a picture was opened in the process of the server")

    for decoder in ("PIL.Image.open", "cv2.imdecode", "cv2.imread"):
        monkeypatch.setattr(decoder, refuse)


def test_a_run_over_a_folder_opens_no_file_in_the_process_of_the_server(
    crashing, opens_nothing, store, inpainter, tmp_path
):  # fmt: skip
    uploads = [saved(scene(40, 50, seed), tmp_path / f"{seed}.png") for seed in range(2)]
    (tmp_path / "bad.png").write_bytes(b"CRASH")
    marked = np.zeros((40, 50), np.uint8)
    marked[5:15, 5:15] = 255
    request = FolderRequest(
        [str(path) for path in [*uploads, tmp_path / "bad.png"]], masks="one",
        mask_files=[str(saved(marked, tmp_path / "mask.png"))], options=FillOptions(engine="telea"),
    )  # fmt: skip
    job = FolderJob(request, store, Networks.of(inpainter), None)
    assert [task["size"] for task in job.describe()["tasks"]] == [(50, 40), (50, 40), None]
    counts = list(job.run())[-1]
    assert [record["verification"]["changed"] for record in counts.done] == [0, 0]
    assert job.failures() == [("bad.png", "made the decoder crash (SIGSEGV), so it was refused")]
    assert "data:image/jpeg" in zipfile.ZipFile(job.pack(1.0)).read("report.html").decode()


def test_steps_are_applied_in_their_order(tmp_path):
    pixels, hole = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), bool)
    hole[1, 1:3] = True
    for number, value in ((1, 7), (2, 9)):
        np.save(tmp_path / f"{number}-hole.npy", np.packbits(hole))
        np.save(tmp_path / f"{number}-values.npy", np.full((int(hole.sum()), 3), value, np.uint8))
        hole[1, 1] = False
    steps = [(tmp_path / f"{n}-hole.npy", tmp_path / f"{n}-values.npy") for n in (1, 2)]
    made, changed = apply_steps(pixels, steps)
    assert made[1, 1, 0] == 7 and made[1, 2, 0] == 9 and changed.sum() == 2 and pixels.max() == 0
