"""What files say of their pictures: orientation, EXIF, XMP, profiles, credentials, times."""

import io
import os
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from inpaint.photo.exif import clean_exif
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.orientation import TURNS, turn_back, turn_upright
from inpaint.photo.xmp import SYNTHETIC, TRAINED, clean_xmp, mark_xmp, source_type
from tests import samples as s
from tests.conftest import scene
from tests.samples import hole_of, through


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


def test_content_credentials_do_not_outlive_the_picture(tmp_path):
    data = s.with_jpeg_segments(s.encoded(Image.fromarray(scene(16, 16)), "JPEG"), (0xEB, b"JP\0\0jumbf c2pa"))
    through(tmp_path, data, "a.jpg", "b.jpg")
    assert b"jumbf" not in (tmp_path / "b.jpg").read_bytes()
    assert "content credentials" in load_photo(tmp_path / "a.jpg").notes[0]


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
