"""Photos with 16 bits per channel: read, refused, rounded."""


import cv2
import numpy as np
import pytest
import tifffile

from inpaint.errors import PhotoError
from inpaint.photo.encode import grey_of, shallow
from inpaint.photo.files import load_photo, save_photo
from tests import samples as s
from tests.samples import hole_of, refilled, through


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
