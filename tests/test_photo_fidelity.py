"""What comes back of every format and feature, next to a plain Pillow round trip: makes docs/fidelity.md.

`INPAINT_WRITE_DOCS=1 python -m pytest tests/test_photo_fidelity.py` writes the table; otherwise it is compared.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from inpaint.errors import InpaintError
from inpaint.photo import png
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.segments import iptc_resource
from tests import samples as s
from tests.conftest import scene

TABLE = Path(__file__).parent.parent / "docs" / "fidelity.md"
SUFFIX = {"PNG": ".png", "JPEG": ".jpg", "WebP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "AVIF": ".avif", "GIF": ".gif",
          "HEIC": ".heic"}  # fmt: skip
HEAD = """# What comes back

Each line is one small file with one feature. It is read, its hole is filled, it is written in the same format and read
again. "Kept" figures are over the pixels outside the hole. The last column is `Image.open(file).save(file)`: the same
file through Pillow with nothing edited and no options. Written by `tests/test_photo_fidelity.py`; the test fails when
this table is out of date. Residuals are mean absolute differences of 8-bit values.

| format | feature | inpaint | plain Pillow round trip |
|---|---|---|---|
"""


def hole_of(shape):
    hole = np.zeros(shape, bool)
    hole[shape[0] // 3 : shape[0] // 2, shape[1] // 3 : shape[1] // 2] = True
    return hole


def pixels(before, after, hole):
    """Depth, kind and kept pixels."""
    a, b = load_photo(before), load_photo(after)
    kinds = [("16 bits became 8", a.depth != b.depth), ("greyscale became colour", a.greyscale != b.greyscale),
             ("the palette is gone", a.palette != b.palette), ("1 bit became 8", a.bilevel != b.bilevel),
             ("alpha is gone", (a.alpha is None) != (b.alpha is None))]
    lost = [text for text, happened in kinds if happened]
    shift = 257 if a.depth == 16 else 1
    scale = 257 if b.depth == 16 else 1
    difference = np.abs(a.pixels / shift - b.pixels / scale)[~hole]
    changed = int((difference > 0).any(axis=1).sum())
    if a.alpha is not None and b.alpha is not None and not np.array_equal(a.alpha / shift, b.alpha / scale):
        lost.append(f"alpha moved by up to {np.abs(a.alpha / shift - b.alpha / scale).max():.0f}")
    moved = f"residual {difference.mean():.2f}" if difference.mean() >= 0.005 else "residual under 0.005"
    return ", ".join([*lost, "0 kept pixels changed" if not changed else moved])


def has(value, name="kept"):
    """The bytes are in the file."""
    return lambda before, after, hole: name if value in Path(after).read_bytes() else "lost"


def no_thumbnail(before, after, hole):
    return "stale thumbnail" if s.THUMBNAIL in Path(after).read_bytes() else "dropped"


def profile(before, after, hole):
    a, b = (Image.open(p).info.get("icc_profile") for p in (before, after))
    return "kept" if a and a == b else "lost"


def resolution(before, after, hole):
    a, b = ([float(v) for v in Image.open(p).info.get("dpi", (0, 0))] for p in (before, after))
    return "kept" if np.allclose(a, b, atol=0.02) else "lost"


def upright(before, after, hole):
    """The photo shows upright, and nothing in the file says that it should be turned again."""
    with Image.open(before) as stored:
        a = np.array((ImageOps.exif_transpose(stored) or stored).convert("RGB"))
    b = Image.open(after)
    shown = np.array((ImageOps.exif_transpose(b) or b).convert("RGB"))
    if shown.shape != a.shape or np.abs(shown.astype(int) - a)[~hole].mean() > 10:
        return "shows turned"
    tag = b.getexif().get(0x0112, 1)
    return "shows upright, tag 1" if tag == 1 else f"shows upright, stored as before (tag {tag})"


def inside_exif(before, after, hole):
    exif = Image.open(after).getexif()
    ok = exif.get(0x010E) == "a description"
    maker = exif.get_ifd(0x8769).get(0x927C)
    return "lost" if not ok else "kept, MakerNote too" if maker == s.MAKER else "kept, MakerNote lost"


def camera_tags(before, after, hole):
    exif = Image.open(after).getexif()
    found = [exif.get(271) == "a maker", exif.get(305) == "a program", 0x9003 in exif.get_ifd(0x8769)]
    return "kept" if all(found) else "lost" if not any(found) else "partly lost"


def xmp(before, after, hole):
    return "kept" if b'xmp:Label="a label"' in Path(after).read_bytes() else "lost"


def xmp_upright(before, after, hole):
    data = Path(after).read_bytes()
    if b"tiff:Orientation" not in data:
        return "lost"
    said, stored = (load_photo(p).source.orientation for p in (before, after))
    if b'tiff:Orientation="%d"' % stored not in data or upright(before, after, hole) == "shows turned":
        return "stale"
    return "as the pixels are stored" if stored == said else "set to 1"


def title(before, after, hole):
    picture = Image.open(after)
    data = Path(after).read_bytes()
    text = "".join(str(picture.info.get("Raw profile type iptc", "")).split())
    return "kept" if s.IPTC in data or s.IPTC.hex() in text else "lost"


def size(before, after, hole):
    return f"{Path(after).stat().st_size / Path(before).stat().st_size:.2f} of the source's bytes"


def animated(before, after, hole):
    return pixels(before, after, hole) + f", {getattr(Image.open(after), 'n_frames', 1)} frame"


def rgb(height=s.HEIGHT, width=s.WIDTH):
    return Image.fromarray(scene(height, width))


def about(orientation=1, thumbnail=b""):
    return {"exif": b"Exif\0\0" + s.exif_block(orientation, thumbnail)}


def with_png(*chunks):
    return png.with_chunks(s.encoded(rgb(), "PNG"), chunks)


def jpeg(**settings):
    return s.encoded(rgb(192, 256), "JPEG", **{"quality": 90, **settings})


def cases():
    """(format, feature, bytes, what to look at)."""
    rgba = Image.fromarray(np.dstack([scene(s.HEIGHT, s.WIDTH), s.alpha_plane()]))
    grey, grey_alpha = rgb().convert("L"), rgba.convert("LA")
    srgb, lab_space = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(rgb(), srgb, lab_space, outputMode="LAB")
    see_through, corner = bytes([0, 90] + [255] * 38), tuple(scene(s.HEIGHT, s.WIDTH)[0, 0].tolist())
    four = np.dstack([scene(s.HEIGHT, s.WIDTH), s.alpha_plane()])
    inks, profile_of_inks = s.cmyk(), s.cmyk_profile()
    records = png.iptc_chunk(iptc_resource(s.IPTC))
    e = s.encoded
    yield from (
        ("PNG", "RGB, 8 bits", e(rgb(), "PNG"), pixels), ("PNG", "RGB with alpha", e(rgba, "PNG"), pixels),
        ("PNG", "greyscale", e(grey, "PNG"), pixels), ("PNG", "greyscale with alpha", e(grey_alpha, "PNG"), pixels),
        ("PNG", "palette", e(s.indexed(), "PNG"), pixels),
        ("PNG", "palette with transparency", e(s.indexed(True), "PNG", transparency=see_through), pixels),
        ("PNG", "1 bit, hole filled in black and white", e(s.bilevel(), "PNG"), pixels),
        ("PNG", "RGB, 16 bits", s.deep_png(3), pixels), ("PNG", "RGB with alpha, 16 bits", s.deep_png(4), pixels),
        ("PNG", "greyscale, 16 bits", s.deep_png(1), pixels),
        ("PNG", "colour key (tRNS)", e(rgb(), "PNG", transparency=corner), pixels),
        ("PNG", "colour profile", e(rgb(), "PNG", icc_profile=s.ICC), profile),
        ("PNG", "gamma and primaries", with_png((b"gAMA", b"\0\0\xb1\x8f"), (b"cHRM", bytes(32))), has(b"cHRM")),
        ("PNG", "HDR signalling (cICP)", with_png((b"cICP", b"\x09\x10\x00\x01")), has(b"cICP")),
        ("PNG", "EXIF with MakerNote", e(rgb(), "PNG", **about()), inside_exif),
        ("PNG", "EXIF orientation 6", e(rgb(), "PNG", **about(6)), upright),
        ("PNG", "EXIF thumbnail", e(rgb(), "PNG", **about(1, s.THUMBNAIL)), no_thumbnail),
        ("PNG", "XMP", with_png(png.xmp_chunk(s.xmp_packet())), xmp), ("PNG", "IPTC", with_png(records), title),
        ("PNG", "resolution", e(rgb(), "PNG", dpi=(300, 200)), resolution),
        ("PNG", "text", with_png((b"tEXt", b"Author\0somebody")), has(b"somebody")),
        ("PNG", "animation (APNG)", s.frames("PNG"), animated),
    )
    names = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
    for quality, sampling in ((75, 2), (90, 2), (95, 2), (90, 1), (90, 0), (100, 0)):
        name = names[sampling]
        yield "JPEG", f"quality {quality}, {name}", jpeg(quality=quality, subsampling=sampling), pixels
    yield from (
        ("JPEG", "size at quality 90", jpeg(), size), ("JPEG", "progressive", jpeg(progressive=True), pixels),
        ("JPEG", "progressive, size", jpeg(progressive=True), size),
        ("JPEG", "greyscale", s.encoded(rgb(192, 256).convert("L"), "JPEG", quality=90), pixels),
        ("JPEG", "CMYK with a profile", e(inks, "JPEG", quality=90, icc_profile=profile_of_inks), pixels),
        ("JPEG", "CMYK without a profile", e(inks, "JPEG", quality=90), pixels),
        ("JPEG", "colour profile", jpeg(icc_profile=s.ICC * 30), profile),
        ("JPEG", "EXIF with MakerNote", jpeg(**about()), inside_exif),
        ("JPEG", "EXIF orientation 6", jpeg(**about(6)), upright),
        ("JPEG", "EXIF orientation 3", jpeg(**about(3)), upright),
        ("JPEG", "EXIF orientation 6, pixels", jpeg(**about(6)), pixels),
        ("JPEG", "EXIF orientation 6, sides no multiples of 8", s.encoded(rgb(187, 251), "JPEG", **about(6)), pixels),
        ("JPEG", "EXIF thumbnail", jpeg(**about(1, s.THUMBNAIL)), no_thumbnail),
        ("JPEG", "Photoshop thumbnail", s.with_jpeg_segments(jpeg(), (0xED, s.photoshop(s.THUMBNAIL))), no_thumbnail),
        ("JPEG", "XMP", jpeg(xmp=s.xmp_packet()), xmp),
        ("JPEG", "XMP orientation", jpeg(xmp=s.xmp_packet(6)), xmp_upright),
        ("JPEG", "IPTC", s.with_jpeg_segments(jpeg(), (0xED, s.photoshop())), title),
        ("JPEG", "resolution", jpeg(dpi=(300, 200)), resolution),
        ("JPEG", "comment", jpeg(comment="remark"), has(b"remark")),
        ("JPEG", "other segments (APP4)", s.with_jpeg_segments(jpeg(), (0xE4, b"private data")), has(b"private data")),
        ("JPEG", "several pictures (MPO)", s.frames("MPO", quality=90), animated),
        ("WebP", "lossless", e(rgb(), "WEBP", lossless=True), pixels),
        ("WebP", "lossless, colours under transparent pixels", e(rgba, "WEBP", lossless=True, exact=True), pixels),
        ("WebP", "lossy", e(rgb(192, 256), "WEBP", quality=80), pixels),
        ("WebP", "lossy, size", e(rgb(192, 256), "WEBP", quality=80), size),
        ("WebP", "lossy with alpha", e(rgba, "WEBP", quality=80, exact=True), pixels),
        ("WebP", "colour profile", e(rgb(), "WEBP", icc_profile=s.ICC), profile),
        ("WebP", "EXIF with MakerNote", e(rgb(), "WEBP", **about()), inside_exif),
        ("WebP", "EXIF orientation 6", e(rgb(), "WEBP", **about(6)), upright),
        ("WebP", "XMP", e(rgb(), "WEBP", xmp=s.xmp_packet()), xmp),
        ("WebP", "animation", s.frames("WEBP", lossless=True), animated),
        ("TIFF", "RGB, 8 bits, uncompressed", e(rgb(), "TIFF"), pixels),
        ("TIFF", "RGB, LZW", e(rgb(), "TIFF", compression="tiff_lzw"), pixels),
        ("TIFF", "LZW, size", e(rgb(), "TIFF", compression="tiff_lzw"), size),
        ("TIFF", "greyscale", e(grey, "TIFF"), pixels), ("TIFF", "palette", e(s.indexed(), "TIFF"), pixels),
        ("TIFF", "1 bit, group 4", e(s.bilevel(), "TIFF", compression="group4"), pixels),
        ("TIFF", "RGB with alpha", e(rgba, "TIFF"), pixels), ("TIFF", "RGB, 16 bits", s.tiff(s.deep()), pixels),
        ("TIFF", "RGB with alpha, 16 bits", s.tiff(np.dstack([s.deep(), s.alpha_plane(np.uint16)]), extra=2), pixels),
        ("TIFF", "greyscale, 16 bits", s.tiff(s.deep()[..., 0], "grey"), pixels),
        ("TIFF", "fourth channel, not transparency", s.tiff(four, extra=0), pixels),
        ("TIFF", "CMYK with a profile", e(inks, "TIFF", icc_profile=profile_of_inks), pixels),
        ("TIFF", "Lab", s.tiff(np.array(lab), "lab"), pixels), ("TIFF", "colour profile", s.tagged_tiff(), profile),
        ("TIFF", "camera's tags and EXIF", s.tagged_tiff(), camera_tags),
        ("TIFF", "orientation 6", s.tagged_tiff(6), upright),
        ("TIFF", "XMP", s.tagged_tiff(), xmp), ("TIFF", "XMP orientation", s.tagged_tiff(6), xmp_upright),
        ("TIFF", "IPTC", s.tagged_tiff(), title), ("TIFF", "resolution", s.tagged_tiff(), resolution),
        ("TIFF", "several pages", s.frames("TIFF"), animated),
        ("BMP", "RGB", e(rgb(), "BMP"), pixels), ("BMP", "palette", e(s.indexed(), "BMP"), pixels),
        ("BMP", "greyscale", e(grey, "BMP"), pixels), ("BMP", "1 bit", e(s.bilevel(), "BMP"), pixels),
        ("BMP", "resolution", e(rgb(), "BMP", dpi=(300, 300)), resolution),
        ("AVIF", "colour profile", e(rgb(), "AVIF", icc_profile=s.ICC), profile),
        ("AVIF", "EXIF with MakerNote", e(rgb(), "AVIF", **about()), inside_exif),
        ("AVIF", "EXIF orientation 6", e(rgb(), "AVIF", quality=90, **about(6)), upright),
        ("AVIF", "XMP", e(rgb(), "AVIF", xmp=s.xmp_packet()), xmp),
        ("GIF", "palette", e(s.indexed(), "GIF"), pixels),
        ("GIF", "transparency", e(s.indexed(), "GIF", transparency=3), pixels),
        ("GIF", "comment", e(s.indexed(), "GIF", comment=b"remark"), has(b"remark")),
        ("GIF", "animation, 256 colours in use", s.frames("GIF"), animated),
    )  # fmt: skip
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()
    yield from (
        ("HEIC", "lossy", e(rgb(), "HEIF", quality=90), pixels),
        ("HEIC", "greyscale", e(grey, "HEIF", quality=90), pixels),
        ("HEIC", "EXIF orientation 6", e(rgb(), "HEIF", quality=90, **about(6)), upright),
        ("HEIC", "colour profile", e(rgb(), "HEIF", icc_profile=s.ICC), profile),
        ("HEIC", "EXIF with MakerNote", e(rgb(), "HEIF", **about()), inside_exif),
        ("HEIC", "XMP", e(rgb(), "HEIF", xmp=s.xmp_packet()), xmp),
    )


def filled(photo, hole):
    """Something plausible in the hole: white for 1 bit, a colour that is there for palettes, else the mean."""
    pixels = photo.pixels.copy()
    pixels[hole] = 255 if photo.bilevel else pixels[0, -1] if photo.palette else pixels[~hole].mean(axis=0)
    return photo.with_pixels(pixels)


def reason(error):
    return str(error).partition(": ")[2].partition(";")[0].partition(" (")[0]


def ours(before, after, look):
    try:
        photo = load_photo(before)
        hole = hole_of(photo.pixels.shape[:2])
        save_photo(filled(photo, hole), after, hole=hole)
        return look(before, after, hole)
    except InpaintError as error:
        return "refused: " + reason(error)


def pillow(before, after, look):
    try:
        with Image.open(before) as picture:
            shape = load_photo(before).pixels.shape[:2]
            picture.save(after)
    except InpaintError:
        with Image.open(before) as picture:
            picture.save(after)
            counts = [getattr(one, "n_frames", 1) for one in (picture, Image.open(after))]
            return f"written, {counts[0]} -> {counts[1]} pages"
    except Exception as error:
        return f"fails: {error}"
    try:
        return look(before, after, hole_of(shape))
    except InpaintError as error:
        return "cannot be read again: " + reason(error)
    except ValueError:
        return "another size"


@pytest.fixture
def no_jpeglib(monkeypatch):
    monkeypatch.setitem(sys.modules, "jpeglib", None)


def test_fidelity_table_is_true(tmp_path, no_jpeglib):
    rows = []
    for number, (form, feature, data, look) in enumerate(cases()):
        before, after, plain = (tmp_path / f"{number}{part}{SUFFIX[form]}" for part in ("", "-ours", "-pillow"))
        before.write_bytes(data)
        rows.append((form, feature, ours(before, after, look), pillow(before, plain, look)))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    assert len(rows) >= 60
    if os.environ.get("INPAINT_WRITE_DOCS"):
        rest = TABLE.read_text(encoding="utf-8").partition("\n## ")  # further sections are written by hand
        TABLE.write_text(HEAD + "\n".join(lines) + "\n" + "".join(rest[1:]), encoding="utf-8")
    shown = TABLE.read_text(encoding="utf-8").partition("\n## ")[0]
    committed = [line for line in shown.splitlines() if line.startswith("| ")][1:]
    have_heic = any(row[0] == "HEIC" for row in rows)
    assert lines == [line for line in committed if have_heic or not line.startswith("| HEIC")]
    # What the table must never say: only lossy formats move kept pixels, and nothing is lost or stale.
    for form, feature, result, _ in rows:
        lossless = form in ("PNG", "TIFF", "BMP", "GIF") or "lossless" in feature
        refused = feature in ("CMYK without a profile", "several pages")
        assert refused == result.startswith("refused"), (form, feature, result)
        bad = [word for word in ("lost", "stale", "gone", "became", "turned") if word in result]
        assert not bad, (form, feature, result)
        assert refused or not lossless or "residual" not in result, (form, feature, result)


def test_jpeg_outside_the_touched_blocks_is_bit_equal_with_jpeglib(tmp_path):
    pytest.importorskip("jpeglib", reason="the extra `jpeg` is not installed")
    for quality, sampling in ((75, 2), (95, 2), (100, 0), (90, 1)):
        (tmp_path / "a.jpg").write_bytes(jpeg(quality=quality, subsampling=sampling))
        photo = load_photo(tmp_path / "a.jpg")
        hole = hole_of(photo.pixels.shape[:2])
        save_photo(filled(photo, hole), tmp_path / "b.jpg", overwrite=True, hole=hole)
        ys, xs = np.nonzero(hole)
        touched = np.zeros_like(hole)  # whole blocks of 16 pixels, and one more pixel that the chroma filter reads
        touched[ys.min() // 16 * 16 - 1 : (ys.max() // 16 + 1) * 16 + 1,
                xs.min() // 16 * 16 - 1 : (xs.max() // 16 + 1) * 16 + 1] = True  # fmt: skip
        after = load_photo(tmp_path / "b.jpg").pixels
        assert np.array_equal(after[~touched], photo.pixels[~touched])
        assert (tmp_path / "b.jpg").stat().st_size < 1.3 * (tmp_path / "a.jpg").stat().st_size
