"""Photos through files: every format, compression, proofs, places."""

import os
import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from inpaint.errors import OptionError, OutputError, PhotoError, shown
from inpaint.photo import staging as staging_module
from inpaint.photo import verify as verify_module
from inpaint.photo.files import FORMATS, load_photo, save_photo
from inpaint.photo.picture import Photo
from inpaint.photo.staging import Staging
from inpaint.photo.verify import Verification, compare
from tests import samples as s
from tests.conftest import scene
from tests.samples import hole_of, through


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


def test_lossless_is_kept_or_refused(tmp_path):
    data = s.encoded(Image.fromarray(scene(20, 30)), "WEBP", quality=60)
    _, saved, _ = through(tmp_path, data, "a.webp", "b.webp", lossless=True)
    assert saved.verification.exact and saved.verification.changed == 0
    for name in ("b.jpg", "b.avif", "b.gif"):
        with pytest.raises(OptionError, match=r"is not lossless, name a \.png"):
            save_photo(load_photo(tmp_path / "a.webp"), tmp_path / name, lossless=True)


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
