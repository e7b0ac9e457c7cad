"""Mutated files of every format end in a result or one of our errors: 2,000 of them, seeded."""

import os
import random
import struct
import sys
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from inpaint.errors import InpaintError, MaskError, PhotoError
from inpaint.photo import png
from inpaint.photo.access import PictureFiles
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.limits import Limits
from inpaint.photo.masks import load_mask
from inpaint.photo.pillow_limit import pixels_allowed
from tests import samples as s
from tests.conftest import scene

CASES = 2000
LIMITS = Limits(pixels=1_000_000, file_bytes=1_000_000)


def seeds():
    """Small files, metadata and all, by name."""
    small = Image.fromarray(scene(20, 28))
    about = {"icc_profile": s.ICC, "exif": b"Exif\0\0" + s.exif_block(6, s.THUMBNAIL), "xmp": s.xmp_packet(6, True)}
    rgba = small.copy()
    rgba.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 28, dtype=np.uint8), (20, 1))))
    files = {
        "rgb.png": s.encoded(small, "PNG", icc_profile=s.ICC, exif=about["exif"], dpi=(300, 300)),
        "palette.png": s.encoded(s.indexed(True), "PNG"), "deep.png": s.deep_png(4),
        "bits.png": s.encoded(s.bilevel(), "PNG"),
        "animated.png": s.frames("PNG"), "grey16.png": s.grey_alpha_png(),
        "photo.jpg": s.with_jpeg_segments(s.encoded(small, "JPEG", **about), (0xED, s.photoshop(s.THUMBNAIL))),
        "progressive.jpg": s.encoded(small, "JPEG", progressive=True, **about),
        "cmyk.jpg": s.encoded(s.cmyk(), "JPEG", icc_profile=s.cmyk_profile()), "two.jpg": s.frames("MPO"),
        "lossy.webp": s.encoded(rgba, "WEBP", **about), "lossless.webp": s.encoded(rgba, "WEBP", lossless=True),
        "animated.webp": s.frames("WEBP"), "camera.tif": s.tagged_tiff(6),
        "lzw.tif": s.encoded(small, "TIFF", compression="tiff_lzw"),
        "fax.tif": s.encoded(s.bilevel(), "TIFF", compression="group4"),
        "deep.tif": s.tiff(s.deep()), "inks.tif": s.encoded(s.cmyk(), "TIFF", icc_profile=s.cmyk_profile()),
        "pages.tif": s.frames("TIFF"), "photo.bmp": s.encoded(small, "BMP"),
        "palette.bmp": s.encoded(s.indexed(), "BMP"),
        "palette.gif": s.encoded(s.indexed(), "GIF", transparency=3), "animated.gif": s.frames("GIF"),
        "photo.avif": s.encoded(rgba, "AVIF", speed=10, **about),
    }  # fmt: skip
    try:
        import pillow_heif
    except ImportError:
        return files
    pillow_heif.register_heif_opener()
    return {**files, "photo.heic": s.encoded(small, "HEIF", quality=60, **about)}


def mutate(data, rng):
    """One of: bytes changed, a piece removed, doubled, swapped or zeroed, a number made huge, the end cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        reach = len(data) if rng.random() < 0.5 else min(200, len(data))  # headers are worth more attention
        kind, at = rng.randrange(7), rng.randrange(reach)
        length = rng.choice((1, 2, 4, 16, 100))
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length]
        elif kind == 3:
            data[at : at + length] = bytes(len(data[at : at + length]))
        elif kind == 4:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"))
        elif kind == 5:
            data[at] ^= 1 << rng.randrange(8)
        else:
            del data[max(1, at) :]
        if not data:
            return b"\0"
    return bytes(data)


def test_mutated_files_end_in_a_result_or_our_error(tmp_path):
    rng, files = random.Random(7), list(seeds().items())
    outcome = {"read": 0, "refused": 0, "written": 0}
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a damaged file may not print warnings either
        for case in range(CASES):
            name, data = files[case % len(files)]
            path = tmp_path / f"{case}-{name}"
            path.write_bytes(mutate(data, rng))
            try:
                photo = load_photo(path, LIMITS)
                outcome["read"] += 1
                shape, turned = photo.pixels.shape[:2], photo.source.orientation
                mask = load_mask(path, shape, mask_is="white", orientation=turned, limits=LIMITS)
                assert mask.shape == shape
                if case % 3 == 0:
                    out = tmp_path / f"{case}-out{path.suffix}"
                    save_photo(photo, out, hole=np.zeros(mask.shape, bool))
                    outcome["written"] += 1
            except InpaintError as error:
                outcome["refused"] += 1
                assert str(path) in str(error) or "-out" in str(error)
                assert "\n" not in str(error)
            path.unlink()
    assert sum((outcome["read"], outcome["refused"])) >= CASES
    assert outcome["read"] > CASES / 10 and outcome["refused"] > CASES / 10 and outcome["written"] > CASES / 40
    assert time.monotonic() - start < 240


HOSTILE = {
    "zero bytes": (b"", "is empty"),
    "text": (b"hello", "is not a picture"),
    "signature alone": (b"\x89PNG\r\n\x1a\n", "damaged|not a picture"),
}


@pytest.mark.parametrize(("data", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes(tmp_path, data, words):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(PhotoError, match=words):
        load_photo(tmp_path / "a.png")


def test_bombs_are_refused_before_they_are_opened(tmp_path):
    head = struct.pack(">IIBBBBB", 15_000, 15_000, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(15_000 * 1876))), (b"IEND", b""))
    (tmp_path / "bomb.png").write_bytes(png.SIGNATURE + b"".join(png.chunk(*one) for one in chunks))
    assert (tmp_path / "bomb.png").stat().st_size < 30_000
    with pytest.raises(PhotoError, match=r"bomb\.png: has 15000x15000 pixels, too many"):
        load_photo(tmp_path / "bomb.png")
    Image.new("1", (3000, 3000)).save(tmp_path / "large.png")
    with pytest.raises(PhotoError, match=r"has 3000x3000 pixels, too many .* --max-pixels raises it"):
        load_photo(tmp_path / "large.png", Limits(pixels=8_999_999))
    assert load_photo(tmp_path / "large.png", Limits(pixels=9_000_000)).pixels.shape == (3000, 3000, 3)
    with pytest.raises(PhotoError, match="bytes, more than the limit of 100 "):
        load_photo(tmp_path / "large.png", Limits(file_bytes=100))
    with pytest.raises(MaskError, match=r"large\.png: has 3000x3000 pixels"):
        load_mask(tmp_path / "large.png", (3000, 3000), limits=Limits(pixels=10))


def test_the_limit_of_pillow_is_left_as_it_was(tmp_path):
    Image.new("1", (30, 30)).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    load_photo(tmp_path / "a.png", Limits(pixels=10**12))
    assert before == Image.MAX_IMAGE_PIXELS


def test_absurd_header_is_refused(tmp_path):
    data = s.encoded(Image.fromarray(scene(8, 8)), "PNG")
    chunks = [(n, b"\x7f\xff\xff\xff\x7f\xff\xff\xff" + c[8:] if n == b"IHDR" else c) for n, c in png.read_chunks(data)]
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + b"".join(png.chunk(*one) for one in chunks))
    with pytest.raises(PhotoError, match="too many"):
        load_photo(tmp_path / "a.png")


def test_wrong_extension_is_said_and_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(s.encoded(Image.fromarray(scene(8, 8)), "PNG"))
    photo = load_photo(tmp_path / "a.jpg")
    assert photo.source.format == "PNG" and "the name ends in .jpg, the contents are PNG" in photo.notes[0]


def test_links_folders_pipes_and_odd_names(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name, words in (("loop.png", "cannot be read"), ("pipe.png", "is not a regular file"), (".", "is a folder")):
        with pytest.raises(PhotoError, match=words):
            load_photo(tmp_path / name)
    with pytest.raises(PhotoError, match="cannot be read"):
        load_photo(tmp_path / "null\0byte.png")
    with pytest.raises(PhotoError, match="too long"):
        load_photo(tmp_path / ("x" * 300 + ".png"))
    for name in ("line\nbreak.png", os.fsdecode(b"bad\xffbytes.png"), "tab\tand ünïcode.png"):
        Image.fromarray(scene(8, 8)).save(tmp_path / name)
        assert load_photo(tmp_path / name).pixels.shape == (8, 8, 3)
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(PhotoError) as caught:
            load_photo(tmp_path / name)
        assert "\n" not in str(caught.value) and str(caught.value).encode()


@pytest.mark.parametrize("name", seeds())
def test_the_limit_given_is_the_only_one(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    if "pages" in name:
        return
    (tmp_path / name).write_bytes(seeds()[name])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns above it, and refuses twice as many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = load_photo(tmp_path / name, LIMITS)
        load_mask(tmp_path / name, photo.pixels.shape[:2], mask_is="white", limits=LIMITS)
        assert PictureFiles().size(tmp_path / name) in (photo.pixels.shape[1::-1], photo.pixels.shape[:2])
        pixels = photo.pixels.copy()
        pixels[4:9, 5:12] = pixels[0, 0]
        save_photo(photo.with_pixels(pixels), tmp_path / f"out{(tmp_path / name).suffix}")
    assert Image.MAX_IMAGE_PIXELS == 100


def test_pillows_limit_returns_when_nobody_asks_for_more(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pixels_allowed(500):
        with pixels_allowed(900), pixels_allowed(50):
            assert Image.MAX_IMAGE_PIXELS == 900
        assert Image.MAX_IMAGE_PIXELS == 500
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pixels_allowed(500):
        assert Image.MAX_IMAGE_PIXELS is None
