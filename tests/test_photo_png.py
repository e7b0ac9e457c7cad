"""What a PNG holds beside its pixels, from the files of other programs."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from inpaint.errors import PhotoError
from inpaint.photo import pillow_limit, png
from inpaint.photo.files import load_photo, save_photo
from tests import samples as s
from tests.conftest import scene

PICTURE = s.encoded(Image.fromarray(scene(48, 64)), "PNG")


def through(tmp_path, data, name="a.png", after="b.png"):
    """A file loaded, and written with proof: the photo, and the photo that was written."""
    (tmp_path / name).write_bytes(data)
    photo = load_photo(tmp_path / name)
    save_photo(photo, tmp_path / after, overwrite=True, hole=np.zeros(photo.pixels.shape[:2], bool))
    return photo, load_photo(tmp_path / after)


def test_a_colour_profile_of_megabytes_is_kept(tmp_path):
    usual = PngImagePlugin.MAX_TEXT_CHUNK
    profile = s.ICC + np.random.default_rng(0).bytes(1_500_000)
    photo, again = through(tmp_path, png.with_chunks(PICTURE, [png.icc_chunk(profile)]))
    assert photo.metadata.icc == again.metadata.icc == profile
    (tmp_path / "a.jpg").write_bytes(s.jpeg_bytes(scene(48, 64), icc_profile=profile))
    save_photo(load_photo(tmp_path / "a.jpg"), tmp_path / "c.png", hole=np.zeros((48, 64), bool))
    assert load_photo(tmp_path / "c.png").metadata.icc == profile
    assert usual == PngImagePlugin.MAX_TEXT_CHUNK


def test_a_text_behind_the_pixels_may_be_large_too(tmp_path):
    text = png.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 2_000_000))
    photo, again = through(tmp_path, PICTURE[:-12] + text + PICTURE[-12:])
    assert np.array_equal(photo.pixels, again.pixels) and text in (tmp_path / "b.png").read_bytes()


def test_what_grows_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pillow_limit, "PNG_BLOCK", 1 << 21)
    (tmp_path / "a.png").write_bytes(png.with_chunks(PICTURE, [png.icc_chunk(bytes(1 << 22))]))
    with pytest.raises(PhotoError, match=r"a\.png: is damaged or incomplete"):
        load_photo(tmp_path / "a.png")


def test_a_transparent_value_of_16_bit_grey_is_kept_as_alpha(tmp_path):
    values = s.deep()[..., 0].copy()
    values[4:9, 6:20] = 12_345
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = (b"IHDR", struct.pack(">IIBBBBB", 64, 48, 16, png.GREY, 0, 0, 0))
    for chunks, alpha in (([(b"tRNS", struct.pack(">H", 12_345))], np.where(values == 12_345, 0, 65535)), ([], None)):
        given = [head, *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        photo, again = through(tmp_path, png.SIGNATURE + b"".join(png.chunk(*one) for one in given))
        for one in (photo, again):
            assert one.greyscale and np.array_equal(one.pixels[..., 0], values)
            assert np.array_equal(one.alpha, alpha) if alpha is not None else one.alpha is None
