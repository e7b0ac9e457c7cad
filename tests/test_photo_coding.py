"""How a file's own way of coding comes back: chroma at half size, progressive passes, and what lies behind it."""

import struct
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from inpaint.photo import decode, png
from inpaint.photo.files import Photo, load_photo, save_photo
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


def with_coded_colours(form, cicp):
    """A photo that says by numbers how its colours are meant, in AVIF or HEIC."""
    picture = Image.fromarray(scene(64, 96))
    if form == "HEIF":
        numbers = dict(zip(("color_primaries", "transfer_characteristics"), cicp, strict=True))
        return s.encoded(picture, "HEIF", quality=90, **numbers)
    data = s.encoded(picture, "AVIF", quality=90)
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", *cicp) + data[at + 4 :]


@pytest.mark.parametrize("cicp", [(12, 13), (9, 16)], ids=["Display P3", "BT.2020 PQ"])
@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_how_colours_are_meant_by_numbers_comes_back_or_is_named(tmp_path, form, cicp):
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    suffix = ".avif" if form == "AVIF" else ".heic"
    (tmp_path / f"a{suffix}").write_bytes(with_coded_colours(form, cicp))
    photo = load_photo(tmp_path / f"a{suffix}")
    assert photo.metadata.cicp == cicp and not photo.notes
    hole = np.zeros((64, 96), bool)
    for other in {suffix, ".avif"}:
        assert not any("nclx" in note for note in save_photo(photo, tmp_path / f"b{other}", hole=hole).notes)
        assert struct.pack(">HH", *cicp) in (tmp_path / f"b{other}").read_bytes().partition(b"colrnclx")[2][:4]
        assert load_photo(tmp_path / f"b{other}").metadata.cicp == cicp
    save_photo(photo, tmp_path / "b.png", hole=hole)
    assert dict(png.read_chunks((tmp_path / "b.png").read_bytes()))[b"cICP"] == bytes((*cicp, 0, 1))
    for other in (".jpg", ".webp", ".tif"):
        notes = save_photo(photo, tmp_path / f"b{other}", hole=hole).notes
        assert any("how its colours are meant (nclx) cannot be kept" in note for note in notes)


@pytest.mark.parametrize("cicp", [(1, 13), (2, 2)], ids=["sRGB", "unspecified"])
def test_colours_that_are_meant_as_usual_need_no_word(tmp_path, cicp):
    (tmp_path / "a.avif").write_bytes(with_coded_colours("AVIF", cicp))
    photo = load_photo(tmp_path / "a.avif")
    saved = save_photo(photo, tmp_path / "b.jpg", hole=np.zeros((64, 96), bool))
    assert photo.metadata.cicp is None and not any("nclx" in note for note in saved.notes)


def test_chroma_that_cannot_be_laid_out_so_again_is_named(tmp_path):
    data = s.encoded(Image.fromarray(scene(64, 64)), "JPEG", quality=90, subsampling=1)
    at = data.index(b"\xff\xc0") + 11
    assert data[at] == 0x21
    turned = data[:at] + b"\x12" + data[at + 1 :]  # 4:4:0, as a lossless rotation of 4:2:2 leaves it
    for name, content, said in (("a.jpg", data, False), ("b.jpg", turned, True)):
        (tmp_path / name).write_bytes(content)
        saved = save_photo(load_photo(tmp_path / name), tmp_path / f"out_{name}", hole=np.zeros((64, 64), bool))
        assert any("chroma is laid out as cannot be written" in note for note in saved.notes) == said


def test_a_photo_full_of_grain_can_be_written_as_jpeg(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), np.uint8)  # more than two bytes a pixel
    data = s.encoded(Image.fromarray(noise), "JPEG", quality=100, subsampling=0)
    assert len(data) > 2 * noise[..., 0].size
    (tmp_path / "a.jpg").write_bytes(data)
    photo = load_photo(tmp_path / "a.jpg")
    hole = np.zeros((400, 500), bool)
    hole[:20, :20] = hole[-20:, -20:] = True  # all of it is encoded again
    filled = photo.pixels.copy()
    filled[hole] = 128
    save_photo(photo.with_pixels(filled), tmp_path / "b.jpg", hole=hole)
    assert np.abs(load_photo(tmp_path / "b.jpg").pixels.astype(int)[hole] - 128).mean() < 3
    save_photo(Photo(noise), tmp_path / "c.jpg", hole=hole)
    assert load_photo(tmp_path / "c.jpg").pixels.shape == noise.shape


def test_what_a_heic_holds_beside_its_picture_is_named(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    Image.fromarray(scene(64, 96)).save(tmp_path / "a.heic", "HEIF", quality=90)
    assert not load_photo(tmp_path / "a.heic").notes
    gain = {"urn:com:apple:photo:2020:aux:hdrgainmap": [2]}
    opened = decode._opened

    def with_gain_map(path, data):
        picture = opened(path, data)
        picture.info["aux"] = gain
        return picture

    monkeypatch.setattr(decode, "_opened", with_gain_map)
    assert "a gain map, depth or the like beside the picture" in " ".join(load_photo(tmp_path / "a.heic").notes)


def test_a_channel_beside_the_inks_is_named(tmp_path):
    values = np.zeros((40, 50, 5), np.uint8)
    settings = {"photometric": "separated", "planarconfig": "contig", "iccprofile": s.cmyk_profile()}
    tifffile.imwrite(tmp_path / "a.tif", values, extrasamples=("unspecified",), **settings)
    tifffile.imwrite(tmp_path / "b.tif", values[..., :4], **settings)
    notes = " ".join(load_photo(tmp_path / "a.tif").notes)
    assert "it has extra channels beside its colours, which are not kept" in notes
    assert not load_photo(tmp_path / "b.tif").notes
