"""Every script of examples/, run as a user does, on small photos."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.api_server import ServedApi

FOLDER = Path(__file__).parents[1] / "examples"


def run(name, *arguments, code=0):
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), *map(str, arguments)], capture_output=True, text=True, timeout=300,
        env=environment,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def pixels(file, mode="RGB"):
    return np.array(Image.open(file).convert(mode))


def check_filled(folder, output, widened=0):
    """Kept pixels are equal, some pixels of the hole are not."""
    before, after = pixels(folder / "photo.png"), pixels(output)
    hole = np.zeros(before.shape[:2], bool)
    hole[20 - widened : 50 + widened, 30 - widened : 60 + widened] = True
    assert np.array_equal(before[~hole], after[~hole]) and not np.array_equal(before[hole], after[hole])


def test_every_example_is_tested():
    assert {f.name for f in FOLDER.glob("*.py")} == {
        "python_api.py", "alternatives.py", "folder_rule.py", "http_client.py"
    }  # fmt: skip


def test_python_api(photo_files):
    said = run("python_api.py", photo_files / "photo.png", photo_files / "mask.png", photo_files / "filled.png")
    assert "because" in said
    check_filled(photo_files, photo_files / "filled.png", widened=2)


def test_alternatives(photo_files):
    said = run("alternatives.py", photo_files / "photo.png", photo_files / "mask.png", 280)
    assert "100% done" in said and said.count("_fill") == 3
    outputs = [photo_files / f"photo_fill{n}.png" for n in (1, 2, 3)]
    for output in outputs:
        check_filled(photo_files, output)
    assert len({pixels(output).tobytes() for output in outputs}) == 3


def test_alternatives_without_time_write_nothing(photo_files):
    said = run("alternatives.py", photo_files / "photo.png", photo_files / "mask.png", 0, code=1)
    assert "stopped after 0 s" in said
    assert sorted(f.name for f in photo_files.iterdir()) == ["mask.png", "photo.png"]


def test_folder_rule(photo_files, tmp_path_factory):
    photos, output = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("out")
    shutil.copy(photo_files / "photo.png", photos / "good.png")
    (photos / "bad.png").write_text("no picture")
    said = run("folder_rule.py", photos, output, "region:bottom-right 25%x25%", code=1)
    assert "bad.png: " in said and "0 of" in said
    assert [f.name for f in output.iterdir()] == ["good.png"]
    before, after = pixels(photos / "good.png"), pixels(output / "good.png")
    changed = (before != after).any(axis=2)
    assert changed[54:, 72:].any() and not changed[:54].any() and not changed[:, :72].any()


def test_http_client(photo_files):
    with ServedApi() as served:
        names = photo_files / "photo.png", photo_files / "mask.png", photo_files / "filled.png"
        assert "'" in run("http_client.py", served.address, *names)
        check_filled(photo_files, photo_files / "filled.png", widened=2)
        (photo_files / "mask.png").write_text("no picture")
        refused = run("http_client.py", served.address, *names[:2], photo_files / "none.png", code=1)
    assert refused.startswith("4") and not (photo_files / "none.png").exists()
