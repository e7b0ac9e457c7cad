"""Turned TIFF files that Pillow does not decode: 16 bits per channel, and a fourth channel without meaning."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.masks import load_mask
from inpaint.photo.orientation import TURNS, tiff_as_stored, turn_upright
from tests import samples as s

KINDS = {
    "grey16": (s.deep()[..., 0], {"photometric": "minisblack"}), "rgb16": (s.deep(), {"photometric": "rgb"}),
    "rgba16": (np.dstack([s.deep(), s.alpha_plane(np.uint16)]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "extra8": (np.dstack([(s.deep() >> 8).astype(np.uint8), s.alpha_plane()]),
               {"photometric": "rgb", "extrasamples": ["unspecified"]}),
}  # fmt: skip


def write(path, values, orientation, kind="H", **settings):
    tifffile.imwrite(path, values, extratags=[(274, kind, 1, orientation, True)], metadata=None, **settings)


@pytest.mark.parametrize("layout", ["<", ">", "<big"])
@pytest.mark.parametrize("orientation", sorted(TURNS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_turned_tiff_is_turned_once(tmp_path, kind, orientation, layout):
    values, settings = KINDS[kind]
    write(tmp_path / "a.tif", values, orientation, byteorder=layout[0], bigtiff=layout.endswith("big"), **settings)
    photo = load_photo(tmp_path / "a.tif")
    upright = np.ascontiguousarray(turn_upright(values, orientation))
    assert photo.source.orientation == orientation
    assert np.array_equal(photo.pixels, upright[..., :3] if values.ndim == 3 else np.dstack([upright] * 3))
    assert (photo.alpha is None) if values.shape[2:] != (4,) else np.array_equal(photo.alpha, upright[..., 3])
    hole = np.zeros(upright.shape[:2], bool)
    hole[3:9, 5:15] = True  # in one corner, so that a second turn would move it
    pixels = photo.pixels.copy()
    pixels[hole] = pixels[hole] // 2
    saved = save_photo(photo.with_pixels(pixels), tmp_path / "b.tif", hole=hole)
    assert saved.verification.changed == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as written:
        tags, found = written.pages[0].tags, written.pages[0].asarray()
    assert 274 not in tags or tags[274].value == 1
    assert found.shape == upright.shape and np.array_equal(found[~hole], upright[~hole])
    colours = found[..., :3] if found.ndim == 3 else np.dstack([found] * 3)
    assert np.array_equal(colours[hole], pixels[hole])


@pytest.mark.parametrize(("kind", "upright"), [("I", turn_upright(s.deep(), 6)), ("B", s.deep())])
def test_a_tag_of_another_type_counts_as_in_a_photo_of_8_bits(tmp_path, kind, upright):
    write(tmp_path / "a.tif", s.deep(), 6, kind, photometric="rgb")
    write(tmp_path / "b.tif", (s.deep() >> 8).astype(np.uint8), 6, kind, photometric="rgb")
    assert np.array_equal(load_photo(tmp_path / "a.tif").pixels, upright)
    assert np.array_equal(load_photo(tmp_path / "b.tif").pixels, upright >> 8)


def test_files_that_state_nothing_or_are_damaged_stay_as_they_are(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", s.deep(), photometric="rgb")
    data = (tmp_path / "a.tif").read_bytes()
    for given in (data, data[:30], b"II*\0", b"II+\0\x08\0\0\0" + b"\xff" * 8, b"", s.deep_png(3)):
        assert tiff_as_stored(given) is given


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_mask_of_16_bits_is_turned_too(tmp_path, suffix):
    exif = Image.Exif()
    exif[274] = 6
    values = np.zeros((40, 60), np.uint16)
    values[5:15, 10:30] = 65535
    Image.fromarray(values).save(tmp_path / f"m{suffix}", exif=exif)
    upright = np.ascontiguousarray(turn_upright(values > 0, 6))
    assert np.array_equal(load_mask(tmp_path / f"m{suffix}", upright.shape, []), upright)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_opencv_turns_what_states_an_orientation(tmp_path, order, big):
    """Why the tag is patched; without this habit of OpenCV nothing would have to be done."""
    write(tmp_path / "a.tif", s.deep(), 6, byteorder=order, bigtiff=big, photometric="rgb")
    data = (tmp_path / "a.tif").read_bytes()
    seen = [cv2.imdecode(np.frombuffer(d, np.uint8), cv2.IMREAD_UNCHANGED).shape for d in (data, tiff_as_stored(data))]
    assert seen == [s.deep().transpose(1, 0, 2).shape, s.deep().shape]
