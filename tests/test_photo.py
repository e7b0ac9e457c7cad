import numpy as np
import pytest
from PIL import Image

from inpaint.errors import MaskError, PhotoError
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.masks import dilate_mask, load_mask, picture_to_mask, resize_mask
from tests.conftest import scene


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tif"])
def test_lossless_round_trip(tmp_path, suffix):
    pixels = scene(20, 30)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    save_photo(load_photo(tmp_path / "a.png"), tmp_path / f"b{suffix}")
    assert np.array_equal(load_photo(tmp_path / f"b{suffix}").pixels, pixels)


def test_jpeg_keeps_tables_profile_and_nearly_all_pixels(tmp_path):
    Image.fromarray(scene(64, 64)).save(tmp_path / "a.jpg", quality=82, icc_profile=b"profile", dpi=(72, 72))
    photo = load_photo(tmp_path / "a.jpg")
    save_photo(photo, tmp_path / "b.jpg")
    a, b = Image.open(tmp_path / "a.jpg"), Image.open(tmp_path / "b.jpg")
    assert a.quantization == b.quantization and b.info["icc_profile"] == b"profile"
    assert np.abs(photo.pixels.astype(int) - load_photo(tmp_path / "b.jpg").pixels).mean() < 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P"])
def test_modes(tmp_path, mode):
    Image.fromarray(scene(20, 30)).convert(mode).save(tmp_path / "a.png")
    photo = load_photo(tmp_path / "a.png")
    save_photo(photo, tmp_path / "b.png")
    again = Image.open(tmp_path / "b.png")
    assert again.mode == {"P": "RGB"}.get(mode, mode)
    assert np.array_equal(np.array(again.convert("RGBA")), np.array(Image.open(tmp_path / "a.png").convert("RGBA")))


def test_rotated_photo_comes_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    Image.fromarray(scene(20, 30)).save(tmp_path / "a.jpg", exif=exif)
    photo = load_photo(tmp_path / "a.jpg")
    assert photo.pixels.shape == (30, 20, 3)
    save_photo(photo, tmp_path / "b.jpg")
    kept = Image.open(tmp_path / "b.jpg").getexif()
    assert 0x0112 not in kept and kept[0x010E] == "a description"


def test_colour_spaces_are_refused_clearly(tmp_path):
    Image.fromarray(scene(20, 30)).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="stored as CMYK"):
        load_photo(tmp_path / "a.jpg")


def test_masks_of_every_kind_agree():
    hole = np.zeros((8, 10), bool)
    hole[2:5, 3:7] = True
    white = Image.fromarray(hole.astype(np.uint8) * 255)
    layer = np.zeros((8, 10, 4), np.uint8)
    layer[hole] = (200, 20, 60, 255)
    both = np.dstack([np.array(white)] * 3 + [np.full((8, 10), 255, np.uint8)])
    for picture in (white, white.convert("RGB"), white.convert("1"), white.convert("P"), Image.fromarray(layer)):
        assert np.array_equal(picture_to_mask(picture), hole)
    assert np.array_equal(picture_to_mask(Image.fromarray(both)), hole)
    assert picture_to_mask(Image.fromarray(np.array([[127, 128]], np.uint8))).tolist() == [[False, True]]


def test_resize_and_dilate_exactly():
    mask = np.array([[True, False]])
    assert resize_mask(mask, (2, 4)).tolist() == [[True, True, False, False]] * 2
    point = np.zeros((5, 5), bool)
    point[2, 2] = True
    assert dilate_mask(point, 1).sum() == 5 and point.sum() == 1


def test_load_mask_refuses_another_shape(tmp_path):
    Image.new("L", (10, 10), 255).save(tmp_path / "m.png")
    with pytest.raises(MaskError, match="10x10 and the photo 20x10"):
        load_mask(tmp_path / "m.png", (10, 20))
