import io
import os
import re
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from inpaint.errors import OptionError, OutputError, PhotoError, shown
from inpaint.photo import staging as staging_module
from inpaint.photo import verify as verify_module
from inpaint.photo.encode import grey_of, shallow
from inpaint.photo.exif import clean_exif
from inpaint.photo.files import FORMATS, load_photo, save_photo
from inpaint.photo.orientation import TURNS, turn_back, turn_upright
from inpaint.photo.palette import exact_palette, reduced_palette
from inpaint.photo.picture import Photo
from inpaint.photo.staging import Staging
from inpaint.photo.verify import Verification, compare
from inpaint.photo.xmp import SYNTHETIC, TRAINED, clean_xmp, mark_xmp, source_type
from tests import samples as s
from tests.conftest import scene


def hole_of(photo):
    hole = np.zeros(photo.pixels.shape[:2], bool)
    hole[5:12, 9:17] = True
    return hole


def refilled(photo, hole):
    """The photo with random values in the hole."""
    pixels = photo.pixels.copy()
    top = np.iinfo(pixels.dtype).max
    pixels[hole] = np.random.default_rng(5).integers(0, top, (int(hole.sum()), 3), dtype=pixels.dtype, endpoint=True)
    return photo.with_pixels(pixels)


def through(tmp_path, data, before, after, **settings):
    """Write bytes, load, refill, save with proof; the loaded photo, what was saved, and the loaded result."""
    (tmp_path / before).write_bytes(data)
    photo = load_photo(tmp_path / before)
    saved = save_photo(refilled(photo, hole_of(photo)), tmp_path / after, hole=hole_of(photo), **settings)
    return photo, saved, load_photo(tmp_path / after)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_every_format_keeps_size_and_proves_it(tmp_path, suffix):
    if FORMATS[suffix] == "HEIF":
        pytest.importorskip("pillow_heif")
    _, saved, again = through(tmp_path, s.encoded(Image.fromarray(scene(20, 30)), "PNG"), "a.png", f"b{suffix}")
    assert again.pixels.shape == (20, 30, 3) and saved.verification.kept == 20 * 30 - 56
    exact = suffix in (".png", ".apng", ".webp", ".bmp", ".tif", ".tiff")
    assert exact == (saved.verification.changed == 0) and exact == saved.verification.exact
    assert ("0 of 544 kept pixels changed" if exact else "mean residual") in saved.verification.sentence
    assert exact or any("compressed" in note or "reduced" in note for note in saved.notes)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_come_back_as_others_read_them(tmp_path, suffix, channels):
    photo, _, again = through(tmp_path, s.deep_png(channels), "a.png", f"b{suffix}")
    assert again.depth == 16 and again.greyscale == (channels == 1) and (again.alpha is not None) == (channels == 4)
    filled = refilled(photo, hole_of(photo))
    expected = grey_of(filled.pixels) if channels == 1 else filled.pixels
    if channels == 4:
        expected = np.dstack([expected, photo.alpha])
    if suffix == ".tif":
        assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), expected)
    else:
        read = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(read if channels == 1 else read[..., [2, 1, 0, 3][:channels]], expected)


@pytest.mark.parametrize(
    "layout",
    [{"compression": "zlib"}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}, {"byteorder": ">"}],
)
def test_16_bit_tiff_of_other_writers(tmp_path, layout):
    tifffile.imwrite(tmp_path / "a.tif", s.deep(), photometric="rgb", **layout)
    assert np.array_equal(load_photo(tmp_path / "a.tif").pixels, s.deep())


@pytest.mark.parametrize("values", [s.deep().astype(np.float32), s.deep().astype(np.int16), s.deep().astype(np.uint32)])
def test_unsupported_depths_are_refused(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    with pytest.raises(PhotoError, match=r"a\.tif: is a TIFF (that is damaged or )?of .* not supported"):
        load_photo(tmp_path / "a.tif")


def test_planar_16_bits_are_refused(tmp_path):
    planes = np.ascontiguousarray(s.deep().transpose(2, 0, 1))
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    with pytest.raises(PhotoError, match="planar"):
        load_photo(tmp_path / "a.tif")


def test_premultiplied_16_bit_colours_become_straight(tmp_path):
    alpha = np.full((8, 8), 32768, np.uint16)
    values = np.dstack([np.full((8, 8, 3), 16384, np.uint16), alpha])
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=("assocalpha",))
    photo = load_photo(tmp_path / "a.tif")
    assert (photo.pixels == round(16384 * 65535 / 32768)).all() and (photo.alpha == 32768).all()
    assert "a.tif: its colours are stored multiplied by transparency" in photo.notes[0]


def test_private_tags_of_a_16_bit_tiff_are_kept_without_a_word(tmp_path, capfd):
    tags = [(65000, "s", 0, "private", True)]
    tifffile.imwrite(tmp_path / "a.tif", s.deep(), photometric="rgb", extratags=tags)
    save_photo(load_photo(tmp_path / "a.tif"), tmp_path / "b.tif", hole=np.zeros(s.deep().shape[:2], bool))
    assert tifffile.TiffFile(tmp_path / "b.tif").pages[0].tags[65000].value == "private"
    assert capfd.readouterr() == ("", "")


def test_16_bits_into_8_are_rounded_and_said(tmp_path):
    _, saved, again = through(tmp_path, s.deep_png(3), "a.png", "b.bmp")
    assert again.depth == 8 and "16 bits per channel were rounded to 8" in saved.notes[0]
    assert saved.verification.sentence.startswith("0 of")
    assert shallow(np.array([0, 128, 129, 65535], np.uint16)).tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize("orientation", sorted(TURNS))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_orientation_as_pillow_turns_it(tmp_path, orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings = {"lossless": True} if form == "WEBP" else {"quality": 95, "subsampling": 0} if form == "JPEG" else {}
    data = s.encoded(Image.fromarray(scene(32, 48)), form, exif=exif, **settings)
    suffix = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp"}[form]
    photo, saved, again = through(tmp_path, data, f"a{suffix}", f"b{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as stored:
        expected = np.array((ImageOps.exif_transpose(stored) or stored).convert("RGB"))
    assert np.array_equal(photo.pixels, expected) and photo.source.orientation == orientation
    with Image.open(tmp_path / f"b{suffix}") as written:
        shown = np.array((ImageOps.exif_transpose(written) or written).convert("RGB"))
        assert shown.shape == expected.shape and written.getexif().get(0x0112, 1) == again.source.orientation
        assert np.abs(shown.astype(int) - expected)[~hole_of(photo)].mean() < 0.6
    assert saved.verification.mean < 0.6
    assert again.source.orientation == (orientation if form == "JPEG" else 1)  # a JPEG's blocks stay where they are


@pytest.mark.parametrize("orientation", sorted(TURNS))
def test_turned_jpegs_move_no_more_than_upright_ones(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0xA002: 70, 0xA003: 45})
    settings = {"quality": 90, "subsampling": 2, "dpi": (300, 200)}  # sides that are no multiples of a block
    data = s.encoded(Image.fromarray(scene(45, 70)), "JPEG", exif=exif, xmp=s.xmp_packet(orientation), **settings)
    (tmp_path / "a.jpg").write_bytes(data)
    photo = load_photo(tmp_path / "a.jpg")
    saved = save_photo(photo, tmp_path / "b.jpg", hole=hole_of(photo))
    again = load_photo(tmp_path / "b.jpg")
    assert photo.pixels.shape[:2] == ((70, 45) if orientation > 4 else (45, 70))
    assert np.array_equal(turn_back(turn_upright(np.arange(12).reshape(3, 4), orientation), orientation),
                          np.arange(12).reshape(3, 4))  # fmt: skip
    assert saved.verification.mean < 0.05
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.size == (70, 45) and written.info["dpi"] == (300, 200)
        tags = written.getexif()
        assert tags[0x0112] == orientation and [tags.get_ifd(0x8769)[t] for t in (0xA002, 0xA003)] == [70, 45]
        assert b'tiff:Orientation="%d"' % orientation in written.info["xmp"]
    save_photo(again, tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as upright:
        assert upright.size == photo.pixels.shape[1::-1] and upright.getexif()[0x0112] == 1


def test_a_turn_that_only_xmp_or_damaged_exif_states_is_stated_again(tmp_path):
    picture = Image.fromarray(scene(48, 64))
    pointer = bytes.fromhex("69870400" "01000000")
    damaged = s.exif_block(6).replace(pointer + b"\x32\0", pointer + b"\xff\xff")  # leads out of the block
    assert clean_exif(damaged, True) is None
    for data in (s.encoded(picture, "JPEG", xmp=s.xmp_packet(6)),
                 s.encoded(picture, "JPEG", exif=b"Exif\0\0" + damaged)):  # fmt: skip
        photo, _, again = through(tmp_path, data, "a.jpg", "b.jpg", overwrite=True)
        assert photo.source.orientation == again.source.orientation == 6
        assert again.pixels.shape == (64, 48, 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_patched_in_place(order):
    block = s.exif_block(6, s.THUMBNAIL, order)
    cleaned = clean_exif(block, True)
    plain = s.exif_block(1, b"", order)
    assert s.THUMBNAIL not in cleaned and s.THUMBNAIL[:20] not in cleaned and s.MAKER in cleaned
    assert cleaned.index(s.MAKER) == block.index(s.MAKER)  # makers' private data did not move
    exif = Image.Exif()
    exif.load(cleaned)
    sizes = exif.get_ifd(0x8769)
    assert exif[0x0112] == 1 and (sizes[0xA002], sizes[0xA003]) == (s.HEIGHT, s.WIDTH)
    assert clean_exif(plain, False) == plain


def test_previews_inside_makers_data_are_blanked():
    hidden = s.exif_block() + s.THUMBNAIL + b"after"
    cleaned = clean_exif(hidden, False)
    assert s.THUMBNAIL not in cleaned and cleaned.endswith(b"after") and len(cleaned) == len(hidden)


@pytest.mark.parametrize("block", [b"", b"II*\0", b"nothing at all", b"II*\0\xff\xff\xff\x7f", s.exif_block()[:30]])
def test_damaged_exif_is_left_out(tmp_path, block):
    assert clean_exif(block, False) is None
    data = s.with_jpeg_segments(s.encoded(Image.fromarray(scene(16, 16)), "JPEG"), (0xE1, b"Exif\0\0" + block))
    (tmp_path / "a.jpg").write_bytes(data)
    photo = load_photo(tmp_path / "a.jpg")
    assert photo.metadata.exif is None and (not block or "EXIF block is damaged" in photo.notes[0])


def test_xmp_is_edited_as_text():
    packet = s.xmp_packet(6, True)
    cleaned = clean_xmp(packet, False)
    assert b"Thumbnails" not in cleaned and b'tiff:Orientation="1"' in cleaned and b'xmp:Label="a label"' in cleaned
    sizes = b'<a exif:PixelXDimension="40" exif:PixelYDimension="30"/><tiff:ImageWidth>400</tiff:ImageWidth>'
    assert clean_xmp(sizes, True).startswith(b'<a exif:PixelXDimension="30" exif:PixelYDimension="40"/>')


def test_marks_replace_each_other():
    for packet in (None, s.xmp_packet(), b"not xml"):
        marked = mark_xmp(packet, TRAINED)
        assert source_type(marked) == TRAINED and marked.count(b"DigitalSourceType") == 1
        again = mark_xmp(marked, SYNTHETIC)
        assert source_type(again) == SYNTHETIC and again.count(b"DigitalSourceType") == 1
        ElementTree.fromstring(again)
    assert b'rdf:about="uuid:1"' in mark_xmp(s.xmp_packet(), TRAINED).split(b"DigitalSourceType")[0].rsplit(b"<", 1)[1]
    assert source_type(s.xmp_packet()) is None


def test_metadata_crosses_formats(tmp_path):
    about = {"icc_profile": s.ICC, "exif": b"Exif\0\0" + s.exif_block(1), "xmp": s.xmp_packet(), "dpi": (300, 300)}
    data = s.with_jpeg_segments(s.encoded(Image.fromarray(scene(20, 30)), "JPEG", **about), (0xED, s.photoshop()))
    (tmp_path / "a.jpg").write_bytes(data)
    photo = load_photo(tmp_path / "a.jpg")
    assert photo.metadata.iptc == s.IPTC
    for suffix in (".png", ".tif", ".webp", ".avif"):
        saved = save_photo(photo, tmp_path / f"b{suffix}")
        m = load_photo(tmp_path / f"b{suffix}").metadata
        assert m.icc == s.ICC and b"a label" in m.xmp and b"a description" in m.exif, suffix
        keeps_more = suffix in (".png", ".tif")
        assert (m.iptc == s.IPTC) == keeps_more and (m.dpi is not None) == keeps_more, suffix
        assert keeps_more or ["IPTC cannot be kept" in n for n in saved.notes].count(True) == 1
    saved = save_photo(photo, tmp_path / "b.bmp")
    lost = " ".join(saved.notes)
    assert all(word in lost for word in ("the colour profile", "EXIF", "XMP", "IPTC")) and "resolution" not in lost
    back = save_photo(load_photo(tmp_path / "b.tif"), tmp_path / "c.jpg")
    m = load_photo(tmp_path / "c.jpg").metadata
    assert m.iptc == s.IPTC and m.icc == s.ICC and b"a description" in m.exif and back.notes == [
        f"{tmp_path / 'c.jpg'}: JPEG: the kept pixels are compressed, too; a lossless format keeps them exactly"
    ]


def test_alpha_is_untouched_and_hidden_colours_are_no_evidence(tmp_path):
    values = np.dstack([scene(20, 30), np.full((20, 30), 255, np.uint8)])
    values[:, :10] = (0, 0, 0, 0)
    values[5:12, 12:14, 3] = 77
    photo, _, again = through(tmp_path, s.encoded(Image.fromarray(values), "PNG"), "a.png", "b.png")
    assert np.array_equal(again.alpha, values[..., 3])
    seen = photo.visible_pixels()
    assert np.array_equal(seen[:, 10:], photo.pixels[:, 10:]) and np.array_equal(seen[:, 9], photo.pixels[:, 10])
    assert (photo.pixels[:, :10] == 0).all()


def test_palette_and_bits_return_where_exact(tmp_path):
    (tmp_path / "a.png").write_bytes(s.encoded(s.indexed(), "PNG"))
    photo = load_photo(tmp_path / "a.png")
    few = photo.pixels.copy()
    few[3:9, 3:9] = (1, 2, 3)
    assert not save_photo(photo.with_pixels(few), tmp_path / "b.png").notes
    assert Image.open(tmp_path / "b.png").mode == "P"
    noise = np.random.default_rng(0).integers(0, 255, photo.pixels.shape, dtype=np.uint8)
    saved = save_photo(photo.with_pixels(noise), tmp_path / "c.png")
    assert Image.open(tmp_path / "c.png").mode == "RGB" and "more than 256 colours" in saved.notes[0]
    (tmp_path / "d.png").write_bytes(s.encoded(s.bilevel(), "PNG"))
    bits = load_photo(tmp_path / "d.png")
    save_photo(bits, tmp_path / "e.png")
    assert Image.open(tmp_path / "e.png").mode == "1"
    grey = bits.pixels.copy()
    grey[0, 0] = 99
    assert "more than two tones" in save_photo(bits.with_pixels(grey), tmp_path / "f.png").notes[0]
    assert Image.open(tmp_path / "f.png").mode == "L"


def test_reduced_palette_keeps_what_may_not_change():
    rgba = np.dstack([scene(20, 30), np.full((20, 30), 255, np.uint8)])
    free = np.zeros((20, 30), bool)
    free[:, 20:] = True
    rgba[~free] = rgba[~free] // 64 * 64
    assert exact_palette(rgba) is None or len(exact_palette(rgba)[1]) <= 256
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    rgba[free] = noise[free] | np.array([0, 0, 0, 255], np.uint8)
    indices, palette = reduced_palette(rgba, free)
    assert len(palette) <= 256 and np.array_equal(palette[indices][~free], rgba[~free])
    assert np.abs(palette[indices][free].astype(int) - rgba[free]).mean() < 40


def test_inks_keep_their_numbers_where_nothing_was_filled(tmp_path):
    data = s.encoded(s.cmyk(), "TIFF", icc_profile=s.cmyk_profile())
    photo, _, _ = through(tmp_path, data, "a.tif", "b.tif")
    before, after = (np.array(Image.open(tmp_path / name)) for name in ("a.tif", "b.tif"))
    hole = hole_of(photo)
    assert Image.open(tmp_path / "b.tif").mode == "CMYK" and np.array_equal(before[~hole], after[~hole])
    assert not np.array_equal(before[hole], after[hole])
    _, saved, again = through(tmp_path, data, "a.tif", "b.png")
    assert "CMYK was converted to sRGB" in saved.notes[0] and again.metadata.icc != photo.metadata.icc


def test_colour_spaces_are_refused_clearly(tmp_path):
    for profile, words in ((None, "CMYK without a profile"), (s.ICC, "CMYK with a profile for RGB|CMYK for RGB"),
                           (b"junk" * 50, "damaged colour profile")):  # fmt: skip
        s.cmyk().save(tmp_path / "a.jpg", icc_profile=profile)
        with pytest.raises(PhotoError, match=words):
            load_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("form", "suffix", "words"),
    [("GIF", ".gif", r"animated: its first frame \(of 2\)"), ("PNG", ".png", "animated"), ("WEBP", ".webp", "animated"),
     ("MPO", ".jpg", "holds 2 pictures")],
)  # fmt: skip
def test_several_pictures_are_said(tmp_path, form, suffix, words):
    (tmp_path / f"a{suffix}").write_bytes(s.frames(form))
    photo = load_photo(tmp_path / f"a{suffix}")
    assert re.search(words, photo.notes[0])
    with Image.open(tmp_path / f"a{suffix}") as first:
        assert np.array_equal(photo.pixels, np.array(first.convert("RGB")))


def test_pages_are_refused_but_not_reduced_copies(tmp_path):
    (tmp_path / "a.tif").write_bytes(s.frames("TIFF"))
    with pytest.raises(PhotoError, match="has 2 pages, and only one can be filled"):
        load_photo(tmp_path / "a.tif")
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(scene(20, 30), photometric="rgb")
        file.write(scene(10, 15), photometric="rgb", subfiletype=1)
    photo = load_photo(tmp_path / "b.tif")
    assert np.array_equal(photo.pixels, scene(20, 30)) and "reduced copies" in photo.notes[0]


def test_jpeg_keeps_tables_sampling_and_nearly_all_pixels(tmp_path):
    for quality, sampling in ((70, 2), (92, 1), (95, 0)):
        Image.fromarray(scene(64, 96)).save(tmp_path / "a.jpg", quality=quality, subsampling=sampling, dpi=(72, 72))
        photo = load_photo(tmp_path / "a.jpg")
        save_photo(photo, tmp_path / "b.jpg", overwrite=True)
        a, b = Image.open(tmp_path / "a.jpg"), Image.open(tmp_path / "b.jpg")
        assert a.quantization == b.quantization
        assert [layer[1:3] for layer in a.layer] == [layer[1:3] for layer in b.layer]
        assert a.info["dpi"] == b.info["dpi"]
        plain = s.encoded(Image.fromarray(photo.pixels), "JPEG", qtables=a.quantization, subsampling=sampling)
        (tmp_path / "c.jpg").write_bytes(plain)
        again = [load_photo(tmp_path / name).pixels for name in ("b.jpg", "c.jpg")]
        moved, plainly = (np.abs(photo.pixels.astype(int) - pixels).mean() for pixels in again)
        assert moved < 0.1 and moved <= plainly


def test_jpeg_stored_as_rgb_stays_so(tmp_path):
    Image.fromarray(scene(32, 32)).save(tmp_path / "a.jpg", keep_rgb=True, quality=90)
    photo = load_photo(tmp_path / "a.jpg")
    save_photo(photo, tmp_path / "b.jpg")
    assert bytes(layer[0] for layer in Image.open(tmp_path / "b.jpg").layer) == b"RGB"
    assert np.abs(photo.pixels.astype(int) - load_photo(tmp_path / "b.jpg").pixels).mean() < 0.2


def test_content_credentials_do_not_outlive_the_picture(tmp_path):
    data = s.with_jpeg_segments(s.encoded(Image.fromarray(scene(16, 16)), "JPEG"), (0xEB, b"JP\0\0jumbf c2pa"))
    through(tmp_path, data, "a.jpg", "b.jpg")
    assert b"jumbf" not in (tmp_path / "b.jpg").read_bytes()
    assert "content credentials" in load_photo(tmp_path / "a.jpg").notes[0]


def test_lossless_is_kept_or_refused(tmp_path):
    data = s.encoded(Image.fromarray(scene(20, 30)), "WEBP", quality=60)
    _, saved, _ = through(tmp_path, data, "a.webp", "b.webp", lossless=True)
    assert saved.verification.exact and saved.verification.changed == 0
    for name in ("b.jpg", "b.avif", "b.gif"):
        with pytest.raises(OptionError, match=r"is not lossless, name a \.png"):
            save_photo(load_photo(tmp_path / "a.webp"), tmp_path / name, lossless=True)


def test_times_and_mode_are_kept_on_request(tmp_path):
    (tmp_path / "a.png").write_bytes(s.encoded(Image.fromarray(scene(20, 30)), "PNG"))
    os.utime(tmp_path / "a.png", (1_000_000_000, 1_100_000_000))
    photo = load_photo(tmp_path / "a.png")
    save_photo(photo, tmp_path / "b.png", keep_time=True)
    save_photo(photo, tmp_path / "c.png")
    assert (tmp_path / "b.png").stat().st_mtime == 1_100_000_000 < (tmp_path / "c.png").stat().st_mtime
    (tmp_path / "c.png").chmod(0o600)
    save_photo(photo, tmp_path / "c.png", overwrite=True)
    assert (tmp_path / "c.png").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["pixel", "alpha", "size", "unreadable"])
def test_a_failed_proof_leaves_nothing(tmp_path, monkeypatch, damage):
    values = np.dstack([scene(20, 30), np.full((20, 30), 200, np.uint8)])
    (tmp_path / "a.png").write_bytes(s.encoded(Image.fromarray(values), "PNG"))
    (tmp_path / "b.png").write_bytes(b"old")
    photo = load_photo(tmp_path / "a.png")

    def spoiled(path, limits, thorough):
        found = load_photo(path, limits, thorough)
        pixels, alpha = found.pixels.copy(), found.alpha.copy()
        if damage == "unreadable":
            raise PhotoError("x: is damaged")
        if damage == "pixel":
            pixels[0, 0, 2] ^= 1
        if damage == "alpha":
            alpha[6, 10] ^= 1  # inside the hole: alpha may change nowhere
        if damage == "size":
            pixels, alpha = pixels[1:], alpha[1:]
        return Photo(pixels, alpha, source=found.source)

    monkeypatch.setattr(verify_module, "load_photo", spoiled)
    words = {"pixel": "1 of 544 kept pixels changed", "alpha": "transparency changed by up to 1 levels",
             "size": "has another size", "unreadable": "cannot be read"}[damage]  # fmt: skip
    with pytest.raises(OutputError, match=f"b.png: was not kept, since .*{words}"):
        save_photo(photo, tmp_path / "b.png", overwrite=True, hole=hole_of(photo))
    assert (tmp_path / "b.png").read_bytes() == b"old" and sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_a_lossy_file_that_is_another_picture_fails(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(s.encoded(Image.fromarray(scene(20, 30)), "JPEG"))
    photo = load_photo(tmp_path / "a.jpg")
    real = verify_module.load_photo
    monkeypatch.setattr(verify_module, "load_photo", lambda *a, **k: (p := real(*a, **k)).with_pixels(255 - p.pixels))
    with pytest.raises(OutputError, match="kept pixels moved too far"):
        save_photo(photo, tmp_path / "b.jpg", hole=hole_of(photo))


def test_compare_counts_exactly():
    before = np.zeros((600, 4, 3), np.uint8)
    after = before.copy()
    after[0, 0, 0], after[599, 3] = 4, (2, 2, 2)
    hole = np.zeros((600, 4), bool)
    found = compare(before, after, hole, False, 2400)
    assert (found.changed, found.worst, found.mean) == (2, 4, 10 / 7200)
    hole[599, 3] = True
    assert compare(before, after, hole, True, 2399).changed == 1
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16):
        before = rng.integers(0, np.iinfo(dtype).max, (130, 40, 3), endpoint=True).astype(dtype)
        after = np.where(rng.random(before.shape) < 0.3, rng.permutation(before), before)
        hole = rng.random(before.shape[:2]) < 0.2
        difference = np.abs(before.astype(int) - after)[~hole]
        found = compare(before, after, hole, False, len(difference))
        assert (found.changed, found.worst) == ((difference > 0).any(axis=1).sum(), difference.max())
        assert found.mean == pytest.approx(difference.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("changed", "mean", "words"),
    [(6307, 3.142, "99.9 %"), (1, 1e-5, "0.0158 %"), (6312, 0.12345, "(100 %)"), (3, 1e-4, "residual under 0.001")],
)
def test_the_sentence_has_figures_for_people(changed, mean, words):
    assert words in Verification(6312, changed, mean, 19, False, 8).sentence


def test_staged_files_appear_together_or_not_at_all(tmp_path):
    with Staging() as staging:
        staging.add(tmp_path / "a", b"1")
        staging.add(tmp_path / "b", b"2")
        assert not (tmp_path / "a").exists()
        staging.commit()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    with pytest.raises(OutputError, match="c: cannot be written"), Staging() as staging:
        staging.add(tmp_path / "d", b"1")
        staging.add(tmp_path / "nowhere" / "c", b"2")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_no_room_on_the_disk(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    photo = Photo(scene(8, 8))
    monkeypatch.setattr(staging_module.os, "fdopen", full)
    with pytest.raises(OutputError, match=r"a.png: cannot be written \(No space left on device\)"):
        save_photo(photo, tmp_path / "a.png")
    assert not os.listdir(tmp_path)


def test_a_photo_from_memory_is_written(tmp_path):
    for suffix in (".png", ".jpg", ".webp"):
        save_photo(Photo(scene(8, 9)), tmp_path / f"a{suffix}", hole=np.zeros((8, 9), bool))
        assert load_photo(tmp_path / f"a{suffix}").pixels.shape == (8, 9, 3)


def test_webp_too_large_for_the_format_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"a\.webp: cannot be written as WEBP"):
        save_photo(Photo(np.zeros((2, 17_000, 3), np.uint8)), tmp_path / "a.webp")


def test_names_are_shown_on_one_line():
    assert shown("a\nb") == "a\\nb" and shown(os.fsdecode(b"\xff.png")) == "\\xff.png" and shown("é ü.png") == "é ü.png"


def test_grey_is_exact_for_equal_channels():
    every = np.repeat(np.arange(65536, dtype=np.uint16)[None, :, None], 3, axis=2)
    assert np.array_equal(grey_of(every), every[..., 0])


def test_a_profile_that_cannot_be_written_anew_serves_all_the_same(tmp_path, monkeypatch):
    # Ghostscript's ps_cmyk.icc is of that kind: Pillow writes the target profile of every conversion, and fails.
    def fails(profile):
        raise OSError("Could not determine profile size")

    profile = s.cmyk_profile()
    real = ImageCms.ImageCmsProfile.tobytes
    monkeypatch.setattr(
        ImageCms.ImageCmsProfile, "tobytes", lambda p: fails(p) if p.profile.xcolor_space == "CMYK" else real(p)
    )
    _, saved, again = through(tmp_path, s.encoded(s.cmyk(), "TIFF", icc_profile=profile), "a.tif", "b.tif")
    assert saved.verification.changed == 0 and again.metadata.icc == profile


def test_inks_that_look_alike_are_told_apart(tmp_path, monkeypatch):
    data = s.encoded(s.cmyk(), "TIFF", icc_profile=s.cmyk_profile())
    (tmp_path / "a.tif").write_bytes(data)
    photo = load_photo(tmp_path / "a.tif")
    monkeypatch.setattr("inpaint.photo.load.to_rgb", lambda picture, *_: photo.source.pixels.copy())
    spoiled = photo.source.native.copy()
    spoiled[3, 4, 3] ^= 1
    monkeypatch.setattr("inpaint.photo.encode._native", lambda _: spoiled)
    with pytest.raises(OutputError, match=r"since 1 of 3,072 kept pixels changed"):
        save_photo(photo, tmp_path / "b.tif", hole=np.zeros(photo.pixels.shape[:2], bool))


def test_a_cmyk_jpeg_keeps_profile_mode_and_resolution(tmp_path):
    profile = s.cmyk_profile()
    data = s.encoded(s.cmyk(), "JPEG", quality=92, subsampling=0, icc_profile=profile, dpi=(300, 300))
    _, saved, again = through(tmp_path, data, "a.jpg", "b.jpg")
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.mode == "CMYK" and written.info["icc_profile"] == profile and written.info["dpi"] == (300, 300)
    assert again.metadata.dpi == (300, 300) and saved.verification.mean < 1 and saved.verification.worst < 40


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_a_display_p3_photo_keeps_profile_and_numbers(tmp_path, suffix):
    profile, form = s.display_p3(), {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".avif": "AVIF"}
    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    vivid = Image.new("RGB", (1, 1), (0, 255, 0))  # green that sRGB cannot show
    lab = ImageCms.createProfile("LAB")
    wide, narrow = (
        ImageCms.profileToProfile(vivid, p, lab, outputMode="LAB").getpixel((0, 0))
        for p in (given, ImageCms.createProfile("sRGB"))
    )
    assert wide != narrow
    data = s.encoded(Image.fromarray(scene(48, 64)), form[suffix], icc_profile=profile)
    photo, saved, again = through(tmp_path, data, f"a{suffix}", f"b{suffix}")
    assert again.metadata.icc == profile and saved.notes == []
    moved = np.abs(again.pixels.astype(int) - photo.pixels)[~hole_of(photo)].mean()
    assert moved < (0.01 if suffix in (".png", ".tif") else 3)
