"""Sizes of picture files, told from their headers before anything is decoded."""

import subprocess
import sys

import pytest
from PIL import Image

from inpaint.photo.access import PictureFiles
from tests import samples as s
from tests.conftest import scene

CODE = "import sys; from pathlib import Path; from inpaint.photo.access import PictureFiles as P"


def said(path, before=""):
    """The size as a process tells it that has not opened any picture."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{CODE}{before}\nprint(P().size(Path(sys.argv[1])))", str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return ended.stdout.strip()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".avif", ".gif", ".bmp"])
def test_size(tmp_path, suffix):
    Image.fromarray(scene(48, 64)).save(tmp_path / f"a{suffix}")
    assert PictureFiles().size(tmp_path / f"a{suffix}") == (64, 48)


def test_the_size_of_a_heic_is_told_by_a_new_process(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    (tmp_path / "a.heic").write_bytes(s.encoded(Image.fromarray(scene(48, 64)), "HEIF"))
    assert said(tmp_path / "a.heic") == "(64, 48)"
    assert said(tmp_path / "a.heic", "; sys.modules['pillow_heif'] = None") == "None"


def test_no_size(tmp_path):
    for name, content in (("a.png", b"nothing"), ("b.heic", b"")):
        (tmp_path / name).write_bytes(content)
        assert PictureFiles().size(tmp_path / name) is None
    assert PictureFiles().size(tmp_path / "none.png") is None and PictureFiles().size(tmp_path) is None
