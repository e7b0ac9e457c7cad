"""A photo written in another format: what is lost is said, and only that."""

import struct

import numpy as np
import pytest
from PIL import Image

from inpaint.photo import png, segments
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.formats import BY_NAME
from tests import samples as s
from tests.conftest import scene

TARGETS = [form.suffixes[0] for form in BY_NAME.values()]
PATH = b"8BIM" + bytes((0x07, 0xD0, 0, 0, 0, 0, 0, 14)) + b"clipping path."  # a resource of Photoshop


def rgba():
    picture = Image.fromarray(scene(48, 64))
    picture.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))))
    return picture


def sources():
    """Files with as much around their pixels as their format holds, by name."""
    picture, exif = Image.fromarray(scene(48, 64)), b"Exif\0\0" + s.exif_block()
    about = {"icc_profile": s.ICC, "exif": exif, "xmp": s.xmp_packet()}
    jpeg = s.encoded(picture, "JPEG", **about, dpi=(300, 300), comment="remark")
    chunks = (
        png.xmp_chunk(s.xmp_packet()), png.iptc_chunk(segments.iptc_resource(s.IPTC)), (b"tEXt", b"Author\0somebody")
    )  # fmt: skip
    return {
        "camera.jpg": s.with_jpeg_segments(jpeg, (0xED, s.photoshop() + PATH), (0xE4, b"private data")),
        "camera.tif": s.tagged_tiff(), "camera.webp": s.encoded(picture, "WEBP", lossless=True, **about),
        "texts.png": png.with_chunks(s.encoded(picture, "PNG", exif=exif, dpi=(300, 300)), chunks),
        "hdr.png": png.with_chunks(s.deep_png(4), [(b"cICP", b"\x09\x10\x00\x01")]),
        "alpha.png": s.encoded(rgba(), "PNG"), "grey_alpha.png": s.encoded(rgba().convert("LA"), "PNG"),
        "deep_grey_alpha.png": s.grey_alpha_png(),
        "inks.tif": s.encoded(s.cmyk(), "TIFF", icc_profile=s.cmyk_profile()),
        "few.gif": s.encoded(s.indexed(), "GIF", transparency=3, comment=b"remark"),
        "photo.avif": s.encoded(rgba(), "AVIF", **about),
    }  # fmt: skip


def lost(before, after, given, written):
    """What a written file lacks, in words of the notes."""
    a, b = before.metadata, after.metadata
    for value, words in (("exif", "EXIF"), ("xmp", "XMP"), ("iptc", "IPTC"), ("dpi", "resolution"),
                         ("comment", "the comment")):  # fmt: skip
        if getattr(a, value) and not getattr(b, value):
            yield words
    native = before.source.native_mode
    if native and after.source.native_mode != native:
        yield f"{native} was converted"
    elif a.icc and a.icc != b.icc:
        yield "the colour profile"
    if before.greyscale and not after.greyscale and after.source.format != "GIF":
        yield "greyscale became three equal channels"
    if before.depth > after.depth:
        yield "16 bits per channel"
    if before.alpha is not None and after.alpha is None:
        yield "transparency cannot be kept"
    elif before.alpha is not None and after.source.format == "GIF" and before.source.format != "GIF":
        yield "partial transparency"
    for trace, words in ((b"somebody", "the texts"), (b"private data", "(APP4)"), (b"cICP", "are meant (cICP)"),
                         (b"clipping path.", "Photoshop's data")):  # fmt: skip
        if trace in given and trace not in written:
            yield words


@pytest.mark.parametrize("name", sources())
@pytest.mark.parametrize("suffix", TARGETS)
def test_what_is_lost_is_said_and_only_that(tmp_path, name, suffix):
    if suffix == ".heic":
        pytest.importorskip("pillow_heif")
    given = sources()[name]
    (tmp_path / name).write_bytes(given)
    before = load_photo(tmp_path / name)
    hole = np.zeros(before.pixels.shape[:2], bool)
    hole[20:30, 10:30] = True
    pixels = before.pixels.copy()
    pixels[hole] = pixels[0, -1]
    saved = save_photo(before.with_pixels(pixels), tmp_path / f"b{suffix}", hole=hole)
    after = load_photo(tmp_path / f"b{suffix}")
    notes = " | ".join(saved.notes)
    expected = list(lost(before, after, given, (tmp_path / f"b{suffix}").read_bytes()))
    for words in expected:
        assert words in notes
    kept = {"EXIF", "XMP", "IPTC", "the comment", "the texts", "Photoshop's data"} - set(expected)
    assert not [words for words in kept if f"{words} cannot be kept" in notes]
    if before.source.format != after.source.format and not saved.verification.exact:
        assert "the kept pixels are compressed" in notes or "colours were reduced to 256" in notes


GAMMA, LINEAR = (b"gAMA", b"\0\0\xb1\x8f"), (b"gAMA", b"\0\1\x86\xa0")
PRIMARIES = b"cHRM", struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)


@pytest.mark.parametrize(
    ("chunks", "said"), [((GAMMA, PRIMARIES), False), ((LINEAR,), True), (((b"sRGB", b"\0"), LINEAR), False)]
)
def test_a_png_that_says_no_more_than_srgb_loses_nothing(tmp_path, chunks, said):
    (tmp_path / "a.png").write_bytes(png.with_chunks(s.encoded(Image.fromarray(scene(8, 8)), "PNG"), chunks))
    notes = save_photo(load_photo(tmp_path / "a.png"), tmp_path / "b.bmp").notes
    words = f"{tmp_path / 'b.bmp'}: BMP: how its colours are meant (gAMA) cannot be kept"
    assert notes == ([words] if said else [])


@pytest.mark.parametrize("deep", [False, True])
def test_many_colours_and_transparency_become_a_palette(tmp_path, deep):
    (tmp_path / "a.png").write_bytes(s.deep_png(4) if deep else s.encoded(rgba(), "PNG"))
    before = load_photo(tmp_path / "a.png")
    saved = save_photo(before, tmp_path / "b.gif", hole=np.zeros(before.pixels.shape[:2], bool))
    after = load_photo(tmp_path / "b.gif")
    opaque = before.alpha >= (32768 if deep else 128)
    assert np.array_equal(after.alpha > 0, opaque) and saved.verification.mean < 4
    assert len(np.unique(after.pixels[opaque], axis=0)) > 200


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_grey_stays_grey_where_its_readers_keep_it(tmp_path, suffix):
    if suffix == ".heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    profile = s.ICC[:16] + b"GRAY" + s.ICC[20:]
    grey = rgba().convert("LA")
    (tmp_path / f"a{suffix}").write_bytes(s.encoded(grey.convert("L"), "AVIF" if suffix == ".avif" else "HEIF"))
    photo = load_photo(tmp_path / f"a{suffix}")
    save_photo(photo, tmp_path / f"b{suffix}", hole=np.zeros(photo.pixels.shape[:2], bool))
    assert photo.greyscale and load_photo(tmp_path / f"b{suffix}").greyscale
    for name, picture in (("c", grey.convert("L")), ("d", grey)):
        (tmp_path / f"{name}.png").write_bytes(s.encoded(picture, "PNG", icc_profile=profile))
        saved = save_photo(load_photo(tmp_path / f"{name}.png"), tmp_path / f"{name}{suffix}")
        after = load_photo(tmp_path / f"{name}{suffix}")
        assert (after.metadata.icc == profile) == after.greyscale == (name == "c")
        assert ("profile for greyscale does not fit RGB" in " ".join(saved.notes)) == (name == "d")
