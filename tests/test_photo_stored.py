"""Large PNG files as this project writes them, and the proof that needs no second picture."""

import io
import runpy
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from inpaint.errors import OutputError
from inpaint.photo import files, inflate, png_rows, stored, verify
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.png_rows import STRIP, encode_rows, rows_are
from tests.conftest import scene

KINDS = [(channels, kind) for channels in (1, 2, 3, 4) for kind in (np.uint8, np.uint16)]


def picture(height, width, channels, kind):
    """Noise, slopes and flat parts, so that every filter is the best somewhere."""
    rng = np.random.default_rng(3)
    values = np.zeros((height, width, channels), np.int64)
    y, x = np.mgrid[:height, :width]
    for channel in range(channels):
        values[..., channel] = (x * 3 + y * (channel + 1)) % 251
    values[: height // 3] += rng.integers(0, 40, (height // 3, width, channels))
    values[-height // 5 :, : width // 2] = 17
    return (values * (1 if kind == np.uint8 else 257)).clip(0, np.iinfo(kind).max).astype(kind)


@pytest.mark.parametrize(("channels", "kind"), KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (1500, 700)])
def test_rows_are_what_other_decoders_read(channels, kind, shape):
    values = picture(*shape, channels, kind)
    data = encode_rows(values)
    assert rows_are(data, values)
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    order = {1: [0], 2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    assert np.array_equal(np.atleast_3d(seen), values[..., order])
    if kind == np.uint8:
        assert np.array_equal(np.atleast_3d(np.array(Image.open(io.BytesIO(data)))), values)


def test_every_filter_is_used_and_strips_stand_alone():
    values = picture(2400, 900, 3, np.uint8)
    assert values.nbytes > 3 * STRIP
    data = encode_rows(values)
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
    assert data.count(b"IDAT") >= 4
    assert encode_rows(values) == data


@pytest.mark.parametrize("threads", [1, 3])
def test_the_bytes_do_not_depend_on_the_threads(threads):
    values, before = picture(1500, 700, 3, np.uint8), cv2.getNumThreads()
    wanted = encode_rows(values)
    try:
        cv2.setNumThreads(threads)
        assert encode_rows(values) == wanted
    finally:
        cv2.setNumThreads(before)


def test_one_changed_value_or_byte_is_noticed(inflater):
    values = picture(1500, 700, 3, np.uint8)
    data = encode_rows(values)
    for place in ((0, 0, 0), (700, 350, 1), (1499, 699, 2)):
        other = values.copy()
        other[place] ^= 1
        assert not rows_are(data, other)
    rng = np.random.default_rng(0)
    for at in rng.integers(8, len(data), 40):
        spoiled = bytearray(data)
        spoiled[at] ^= 1 << int(rng.integers(8))
        assert not rows_are(bytes(spoiled), values)
    for cut in (-1, len(data) // 2, 0):
        assert not rows_are(data[:cut], values)


@pytest.fixture(params=["libdeflate", "zlib"])
def inflater(request, monkeypatch):
    """Both ways in which `inflate` works, with the package `deflate` and without."""
    if request.param == "libdeflate":
        pytest.importorskip("deflate")
        yield
    else:
        monkeypatch.setitem(sys.modules, "deflate", None)  # importing it fails
        without = runpy.run_path(inflate.__file__)
        for name in ("inflate_piece", "inflate_last", "crc32", "adler32"):
            monkeypatch.setattr(png_rows, name, without[name])
        monkeypatch.setattr(stored, "inflate_zlib", without["inflate_zlib"])
        yield


def test_pieces_of_a_stream_are_undone_only_whole(inflater):
    made = zlib.compressobj(6, zlib.DEFLATED, -15)
    first = made.compress(b"first" * 999) + made.flush(zlib.Z_FULL_FLUSH)
    last = made.compress(b"last" * 999) + made.flush()
    assert png_rows.inflate_piece(first, 4995) == b"first" * 999 and png_rows.inflate_last(last, 3996) == b"last" * 999
    for size in (4994, 4996, 0):
        assert png_rows.inflate_piece(first, size) is None
    assert png_rows.inflate_piece(last, 3996) is None  # nothing after it would be read
    assert png_rows.inflate_last(first, 4995) is None and png_rows.inflate_last(last + b"x", 3996) is None
    assert png_rows.inflate_piece(b"\xff" * 50, 50) is None and png_rows.inflate_last(b"\xff" * 50, 50) is None
    whole = zlib.compress(b"whole" * 999)
    assert stored.inflate_zlib(memoryview(whole), 4995) == b"whole" * 999
    for damaged in (whole[:-1], whole[:-1] + b"\xff", b"", b"\xff" * 50):
        assert stored.inflate_zlib(damaged, 4995) is None
    assert stored.inflate_zlib(whole, 4994) is None and stored.inflate_zlib(whole, 4996) is None


KINDS_OF_FILES = [(suffix, alpha, deep) for suffix in (".png", ".tif") for alpha in (False, True) for deep in (0, 1)]


@pytest.mark.parametrize(("suffix", "alpha", "deep"), [*KINDS_OF_FILES, (".bmp", False, 0)])
def test_large_files_are_proven_without_decoding(tmp_path, monkeypatch, inflater, suffix, alpha, deep):
    kind = np.uint16 if deep else np.uint8
    values = picture(1000, 1100, 4 if alpha else 3, kind)
    order = [2, 1, 0, 3][: values.shape[2]]
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), values[..., order])
    photo, hole = load_photo(tmp_path / f"a{suffix}"), np.zeros((1000, 1100), bool)
    hole[100:200, 300:400] = True
    filled = photo.pixels.copy()
    filled[hole] = 9
    monkeypatch.setattr(verify, "load_photo", None)  # would fail if it were needed
    saved = save_photo(photo.with_pixels(filled), tmp_path / f"b{suffix}", hole=hole)
    assert saved.verification.sentence == "0 of 1,090,000 kept pixels changed"
    monkeypatch.undo()
    again = load_photo(tmp_path / f"b{suffix}")
    assert np.array_equal(again.pixels, filled)
    assert not alpha or np.array_equal(again.alpha, photo.alpha)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_large_file_that_is_wrong_is_not_kept(tmp_path, monkeypatch, suffix):
    values = picture(1000, 1100, 3, np.uint8)
    Image.fromarray(values).save(tmp_path / f"a{suffix}")
    photo, hole = load_photo(tmp_path / f"a{suffix}"), np.zeros((1000, 1100), bool)
    real = files.encode_photo

    def wrong(given, form, lossless):
        spoiled = given.pixels.copy()
        spoiled[500, 500, 0] ^= 1
        return real(given.with_pixels(spoiled), form, lossless)

    monkeypatch.setattr(files, "encode_photo", wrong)
    with pytest.raises(OutputError, match=r"was not kept, since 1 of 1,100,000 kept pixels changed"):
        save_photo(photo, tmp_path / f"b{suffix}", hole=hole)
    assert not (tmp_path / f"b{suffix}").exists()


def test_one_changed_byte_of_a_bitmap_is_noticed(tmp_path):
    values = picture(1000, 1101, 3, np.uint8)  # rows are filled up by one byte
    Image.fromarray(values).save(tmp_path / "a.bmp")
    data = (tmp_path / "a.bmp").read_bytes()

    def found(content):
        with Image.open(io.BytesIO(content)) as opened:
            return stored.stores(opened, content, values)

    assert found(data) and not found(data[:-5])
    for at in (54, 54 + 3302, len(data) - 2, len(data) // 2):
        spoiled = bytearray(data)
        spoiled[at] ^= 1
        assert not found(bytes(spoiled))


def test_a_pixel_changed_outside_the_hole_is_told_from_the_source(tmp_path):
    values = np.tile(scene(100, 110), (10, 10, 1))
    Image.fromarray(values).save(tmp_path / "a.png")
    photo, hole = load_photo(tmp_path / "a.png"), np.zeros((1000, 1100), bool)
    filled = photo.pixels.copy()
    filled[3, 4] ^= 255
    with pytest.raises(OutputError, match="since 1 of 1,100,000 kept pixels changed"):
        save_photo(photo.with_pixels(filled), tmp_path / "b.png", hole=hole)
