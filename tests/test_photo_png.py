"""What a PNG holds beside its pixels, from the files of other programs."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from inpaint.errors import PhotoError
from inpaint.photo import pillow_limit, png, segments
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.orientation import turn_upright
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


def app1(profile, name=b"APP1", kind=b"zTXt"):
    digits = profile.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    text = f"\n{name.decode()}\n{len(profile):8d}\n{lines}\n".encode()
    content = b"\0" + zlib.compress(text) if kind == b"zTXt" else text
    return kind, b"Raw profile type " + name + b"\0" + content


@pytest.mark.parametrize("kind", [b"zTXt", b"tEXt"])
@pytest.mark.parametrize("name", [b"APP1", b"app1"])
def test_exif_and_xmp_that_were_kept_as_a_segment_of_a_jpeg(tmp_path, name, kind):
    exif, xmp = segments.EXIF_HEAD + s.exif_block(6, s.THUMBNAIL), segments.XMP_HEAD + s.xmp_packet(6, True)
    photo, again = through(tmp_path, png.with_chunks(PICTURE, [app1(exif, name, kind), app1(xmp, name, kind)]))
    assert photo.pixels.shape == (64, 48, 3) and np.array_equal(photo.pixels, turn_upright(scene(48, 64), 6))
    assert s.MAKER in again.metadata.exif and s.THUMBNAIL not in (tmp_path / "b.png").read_bytes()
    assert b'xmp:Label="a label"' in again.metadata.xmp and b"Thumbnails" not in again.metadata.xmp
    assert again.source.orientation == 1 and b"APP1" not in (tmp_path / "b.png").read_bytes()


def test_exif_in_its_own_chunk_comes_first_and_other_segments_tell_nothing(tmp_path):
    old = app1(segments.EXIF_HEAD + s.exif_block(6))
    photo, _ = through(tmp_path, png.with_chunks(PICTURE, [old, (b"eXIf", s.exif_block())]))
    assert photo.source.orientation == 1
    behind = PICTURE[:-12] + png.chunk(b"eXIf", s.exif_block()) + PICTURE[-12:]
    assert through(tmp_path, png.with_chunks(behind, [old]))[0].source.orientation == 1
    photo, _ = through(tmp_path, png.with_chunks(PICTURE, [app1(b"something else"), (b"tEXt", old[1][:40])]))
    assert photo.metadata.exif is None and photo.metadata.xmp is None


def test_the_resolution_of_a_turned_photo_is_turned_with_it(tmp_path):
    sizes = struct.pack(">IIB", 3937, 11811, 1)
    photo, again = through(tmp_path, png.with_chunks(PICTURE, [(b"eXIf", s.exif_block(6)), (b"pHYs", sizes)]))
    assert photo.pixels.shape == (64, 48, 3)
    assert dict(png.read_chunks((tmp_path / "b.png").read_bytes()))[b"pHYs"] == struct.pack(">IIB", 11811, 3937, 1)
    assert again.metadata.dpi == photo.metadata.dpi == pytest.approx((300, 100), abs=0.1)


def test_chunks_of_other_programs_are_left_out_and_said(tmp_path):
    (tmp_path / "a.png").write_bytes(png.with_chunks(PICTURE, [(b"prVW", s.THUMBNAIL), (b"vpAg", bytes(9))]))
    notes = load_photo(tmp_path / "a.png").notes
    said = "a.png: chunks of other programs (prVW) may show the old picture and were left out"
    assert len(notes) == 1 and notes[0].endswith(said)


@pytest.mark.parametrize(("bits", "key"), [(1, 0), (1, 1), (2, 0), (2, 2), (4, 5), (4, 15), (8, 85)])
def test_the_transparent_grey_of_few_bits_stays_transparent(tmp_path, bits, key):
    levels = np.add.outer(np.arange(32), np.arange(64)) % 2**bits
    spread = (levels[..., None] >> np.arange(bits)[::-1] & 1).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(spread.reshape(32, -1), axis=1))
    head = struct.pack(">IIBBBBB", 64, 32, bits, png.GREY, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"tRNS", struct.pack(">H", key)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + b"".join(png.chunk(*one) for one in chunks))
    photo = load_photo(tmp_path / "a.png")
    assert np.array_equal(photo.alpha == 0, levels == key) and (levels == key).any()
    save_photo(photo, tmp_path / "b.png", hole=np.zeros((32, 64), bool))
    again = load_photo(tmp_path / "b.png")
    assert np.array_equal(again.alpha, photo.alpha) and np.array_equal(again.pixels, photo.pixels)
