"""Transparency, palettes, grey, inks and profiles come back as they were."""


import numpy as np
import pytest
from PIL import Image, ImageCms

from inpaint.errors import OutputError, PhotoError
from inpaint.photo.encode import grey_of
from inpaint.photo.files import load_photo, save_photo
from inpaint.photo.palette import exact_palette, reduced_palette
from tests import samples as s
from tests.conftest import scene
from tests.samples import hole_of, through


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
