"""How a file's own way of coding comes back: chroma at half size, progressive passes."""

import sys

import numpy as np
import pytest
from PIL import Image

from inpaint.photo.files import load_photo, save_photo
from tests.conftest import scene


@pytest.mark.parametrize("chroma", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_chroma_at_half_size_is_written_so_again(tmp_path, form, chroma):
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    kind = {"subsampling": chroma} if form == "AVIF" else {"chroma": int(chroma.replace(":", ""))}
    before, after = (tmp_path / f"{name}{'.avif' if form == 'AVIF' else '.heic'}" for name in "ab")
    Image.fromarray(scene(64, 96)).save(before, form, quality=70, **kind)
    photo = load_photo(before)
    save_photo(photo, after, hole=np.zeros((64, 96), bool))
    assert [one.source.half_chroma for one in (photo, load_photo(after))] == [chroma == "4:2:0"] * 2


@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize("with_jpeglib", [True, False])
def test_a_jpeg_stays_progressive_or_says_that_it_does_not(tmp_path, monkeypatch, progressive, with_jpeglib):
    if with_jpeglib:
        pytest.importorskip("jpeglib")
    else:
        monkeypatch.setitem(sys.modules, "jpeglib", None)
    Image.fromarray(scene(64, 96)).save(tmp_path / "a.jpg", quality=90, progressive=progressive)
    saved = save_photo(load_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as written:
        stays = "progressive" in written.info
    lost = any("a progressive file became a baseline one" in note for note in saved.notes)
    assert stays == (progressive and not with_jpeglib) and lost == (progressive and with_jpeglib)
