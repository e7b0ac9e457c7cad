"""How a file's own way of coding comes back: chroma at half size, progressive passes, and what lies behind it."""

import sys

import numpy as np
import pytest
from PIL import Image

from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.segments import bytes_behind
from tests import samples as s
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


@pytest.mark.parametrize("progressive", [False, True])
def test_a_video_behind_the_picture_is_not_dropped_in_silence(tmp_path, progressive):
    packet = s.xmp_packet().replace(b'xmp:Label="', b'GCamera:MotionPhoto="1" xmp:Label="')
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)  # so that 0xFF is among the coded values
    data = s.encoded(Image.fromarray(noise), "JPEG", quality=97, progressive=progressive, restart_marker_rows=1,
                     exif=b"Exif\0\0" + s.exif_block(1, s.THUMBNAIL), xmp=packet)  # fmt: skip
    assert packet in data and b"\xff\x00" in data and b"\xff\xd0" in data
    for tail, behind in ((b"", 0), (bytes(100), 0), (b"ftypmp42" * 300, 2400), (b"\xff\xd9", 2)):
        assert bytes_behind(data + tail) == behind
        (tmp_path / "a.jpg").write_bytes(data + tail)
        notes = load_photo(tmp_path / "a.jpg").notes
        assert (f"{tmp_path / 'a.jpg'}: {behind:,} bytes behind the picture" in " ".join(notes)) == (behind > 0)
    assert bytes_behind(data[:-40]) == bytes_behind(data[:3]) == bytes_behind(b"") == 0
    save_photo(load_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert b'GCamera:MotionPhoto="0"' in (tmp_path / "b.jpg").read_bytes()
