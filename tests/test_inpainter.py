import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inpaint import FillOptions, fill
from inpaint.errors import Cancelled, EmptyMask, MaskError, OptionError, PhotoError
from inpaint.filling.blend import paste, working_scale
from inpaint.inpainter import pick_device
from tests.conftest import scene


def holes(height, width):
    """Masks by name for a photo size: everything the first issue lists."""
    def box(top, left, bottom, right):
        mask = np.zeros((height, width), bool)
        mask[top:bottom, left:right] = True
        return mask

    h, w = height, width
    most = ~box(h // 3, w // 3, h // 3 + max(1, int(h * 0.31)), w // 3 + max(1, int(w * 0.31)))
    return {
        "middle": box(h // 4, w // 4, 3 * h // 4, 3 * w // 4), "corner": box(0, 0, h // 3, w // 3),
        "border": box(0, w // 2, h, w), "one pixel": box(h // 2, w // 2, h // 2 + 1, w // 2 + 1),
        "several": box(1, 1, h // 4, w // 4) | box(h // 2, w // 2, h - 1, w - 1), "90 percent": most,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["middle", "corner", "border", "one pixel", "several", "90 percent"])
@pytest.mark.parametrize("size", [(16, 16), (97, 131), (300, 190), (1, 40), (640, 400)])
def test_only_the_hole_changes(inpainter, size, name):
    photo, mask = scene(*size), holes(*size)[name]
    if not mask.any() or mask.all():
        pytest.skip("this hole does not exist at this size")
    kept_photo, kept_mask = photo.copy(), mask.copy()
    result = inpainter.fill(photo, mask)
    assert result.photo.shape == photo.shape and result.photo.dtype == np.uint8
    assert np.array_equal(result.photo[~mask], photo[~mask])
    assert np.array_equal(photo, kept_photo) and np.array_equal(mask, kept_mask)
    assert sum(h.hole_pixels for h in result.report.holes) >= mask.sum() == result.report.filled_pixels


@pytest.mark.parametrize("engine", ["auto", "network", "detail", "patch", "telea", "ns"])
def test_engines_fill_with_something_close(inpainter, engine):
    photo, mask = scene(128, 128), holes(128, 128)["middle"]
    spoiled = photo.copy()
    spoiled[mask] = 0
    result = inpainter.fill(spoiled, mask, FillOptions(engine=engine))
    error = np.abs(result.photo[mask].astype(int) - photo[mask].astype(int)).mean()
    black = photo[mask].astype(int).mean()
    assert error < 0.4 * black
    assert {h.engine for h in result.report.holes} == {"detail" if engine == "auto" else engine}


def test_what_stands_in_the_hole_does_not_matter(inpainter):
    photo, mask = scene(150, 150), holes(150, 150)["middle"]
    other = photo.copy()
    other[mask] = 255
    assert np.array_equal(inpainter.fill(photo, mask).photo, inpainter.fill(other, mask).photo)


def test_dilate_widens_exactly(inpainter):
    photo, mask = scene(80, 80), holes(80, 80)["one pixel"]
    report = inpainter.fill(photo, mask, FillOptions(dilate=2)).report
    assert report.filled_pixels == 17  # OpenCV's 5x5 ellipse


def test_large_photo(inpainter):
    photo = np.tile(scene(400, 600), (10, 10, 1))
    mask = np.zeros(photo.shape[:2], bool)
    mask[1000:1300, 3000:3500] = True
    mask[3990:, 10:40] = True
    result = inpainter.fill(photo, mask)
    assert photo.shape == (4000, 6000, 3) and len(result.report.holes) == 2
    assert np.array_equal(result.photo[~mask], photo[~mask])


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 10**6), deep=st.booleans(),
    engine=st.sampled_from(["auto", "network", "detail", "patch", "telea", "ns"]),
)  # fmt: skip
def test_any_size_mask_and_depth(inpainter, height, width, seed, deep, engine):
    rng = np.random.default_rng(seed)
    photo, mask = scene(height, width, seed), rng.random((height, width)) < rng.uniform(0.01, 0.95)
    if mask.all() or not mask.any():
        return
    if deep:
        photo = photo.astype(np.uint16) * 256 + rng.integers(0, 256, photo.shape, dtype=np.uint16)
    options = FillOptions(engine=engine)
    first, second = inpainter.fill(photo, mask, options), inpainter.fill(photo, mask, options)
    assert first.photo.dtype == photo.dtype
    assert np.array_equal(first.photo[~mask], photo[~mask]) and np.array_equal(first.photo, second.photo)


@pytest.mark.parametrize("size", [(2, 300), (300, 2), (3, 3), (1, 2)])
@pytest.mark.parametrize("engine", ["auto", "patch", "telea"])
def test_slivers_and_constant_photos(inpainter, size, engine):
    photo, mask = np.full((*size, 3), 140, np.uint8), np.zeros(size, bool)
    mask.flat[: mask.size // 2] = True
    filled = inpainter.fill(photo, mask, FillOptions(engine=engine)).photo
    assert np.array_equal(filled[~mask], photo[~mask])
    assert engine != "patch" or np.abs(filled.astype(int) - 140).max() <= 1  # OpenCV's Telea drifts in deep holes


def test_a_long_band_shows_no_step_between_its_tiles(inpainter):
    photo = scene(160, 1100)
    mask = np.zeros(photo.shape[:2], bool)
    mask[70:94] = True
    result = inpainter.fill(photo, mask)
    assert len(result.report.holes) == 3 and sum(hole.hole_pixels for hole in result.report.holes) == mask.sum()
    steps = np.abs(np.diff(result.photo[70:94].astype(float), axis=1)).mean(axis=(0, 2))
    assert steps[511] <= 1.5 * np.median(steps[440:580]) + 1 and steps[1023] <= 1.5 * np.median(steps[950:1090]) + 1


def test_photos_wider_than_opencv_can_map_are_filled(inpainter):
    photo = np.full((80, 34000, 3), 90, np.uint8)
    mask = np.zeros(photo.shape[:2], bool)
    mask[8:72, 300:33700] = True
    filled = inpainter.fill(photo, mask, FillOptions(engine="telea"))
    assert filled.report.holes[0].shrunk > 1 and np.abs(filled.photo.astype(int) - photo).max() <= 4


def test_report_is_json(inpainter):
    report = json.loads(inpainter.fill(scene(200, 300), holes(200, 300)["middle"]).report.to_json())
    assert report["width"] == 300 and report["holes"][0]["network_reach"] > 100
    assert 45 < report["holes"][0]["hole_depth"] < 55 and report["seconds"]["total"] > 0


def test_refusals(inpainter):
    photo, mask = scene(20, 30), np.zeros((20, 30), bool)
    with pytest.raises(EmptyMask, match="the mask is empty"):
        inpainter.fill(photo, mask)
    with pytest.raises(MaskError, match="covers the whole photo"):
        inpainter.fill(photo, ~mask)
    with pytest.raises(MaskError, match=r"mask must be bool of shape \(20, 30\), got uint8"):
        inpainter.fill(photo, mask.astype(np.uint8))
    with pytest.raises(PhotoError, match=r"photo must be uint8 .* got float64"):
        inpainter.fill(photo / 255, mask)
    with pytest.raises(OptionError, match="got 'magic'"):
        FillOptions(engine="magic")
    with pytest.raises(OptionError, match="got -1"):
        FillOptions(dilate=-1)
    with pytest.raises(OptionError, match="got 0"):
        FillOptions(context=0)
    with pytest.raises(OptionError, match="got 5"):
        FillOptions(candidates=5)
    with pytest.raises(OptionError, match="got 'abacus'"):
        pick_device("abacus")


def test_fill_returns_the_kind_it_got(inpainter, photo_files):
    photo, mask = photo_files / "photo.png", photo_files / "mask.png"
    from_path = fill(image=photo, mask_image=mask, inpainter=inpainter)
    from_pil = fill(image=Image.open(photo), mask_image=Image.open(mask), inpainter=inpainter)
    from_array = fill(np.array(Image.open(photo)), np.array(Image.open(mask)), inpainter=inpainter)
    assert isinstance(from_path, Image.Image) and isinstance(from_pil, Image.Image)
    assert isinstance(from_array, np.ndarray)
    assert np.array_equal(from_array, np.array(from_pil)) and np.array_equal(from_array, np.array(from_path))
    assert fill(Image.open(photo).convert("L"), Image.open(mask), inpainter=inpainter).mode == "L"


def test_fill_gives_back_alpha_and_depth(inpainter, photo_files):
    mask, options = photo_files / "mask.png", FillOptions(engine="telea")
    hole = np.array(Image.open(mask)) > 127
    alpha = np.tile(np.arange(96, dtype=np.uint8) + 100, (72, 1))
    clear = np.dstack([scene(72, 96), alpha])
    for mode in ("RGBA", "LA"):
        given = Image.fromarray(clear).convert(mode)
        given.save(photo_files / "clear.png")
        for image in (given, photo_files / "clear.png"):
            result = fill(image, mask, options, inpainter)
            assert result.mode == mode and np.array_equal(np.array(result)[..., -1], alpha)
            assert np.array_equal(np.array(result)[~hole], np.array(given)[~hole])
    deep = deep_scene(72, 96)
    cv2.imwrite(str(photo_files / "deep.png"), deep[..., ::-1])
    cv2.imwrite(str(photo_files / "grey.png"), deep[..., 0])
    rounded = np.array(fill(photo_files / "deep.png", mask, options, inpainter))
    assert rounded.dtype == np.uint8 and np.array_equal(rounded[~hole], np.rint(deep / 257)[~hole])
    assert fill(deep, hole, options, inpainter).dtype == np.uint16
    for image in (photo_files / "grey.png", Image.fromarray(deep[..., 0])):
        grey = fill(image, mask, options, inpainter)
        assert grey.mode == "I;16" and np.array_equal(np.array(grey)[~hole], deep[..., 0][~hole])
        assert len(np.unique(np.array(grey)[hole] & 255)) > 16


def test_masks_in_memory_are_never_guessed(inpainter, photo_files):
    photo, hole = scene(72, 96), np.zeros((72, 96), bool)
    hole[5:66, 8:88] = True  # as a picture this would be in doubt
    wanted = fill(photo, hole, FillOptions(engine="telea"), inpainter)
    white = hole.astype(np.uint8) * 255
    deep = white.astype(np.uint16) * 257
    masks = [white, hole.astype(np.uint8), hole.astype(np.float32), np.dstack([white] * 3), white[..., None], deep]
    masks += [Image.fromarray(white), Image.fromarray(white).convert("RGB"), Image.fromarray(hole)]
    for mask in masks:
        assert np.array_equal(fill(photo, mask, FillOptions(engine="telea"), inpainter), wanted)
    black = fill(photo, 255 - white, FillOptions(engine="telea"), inpainter)  # white is the hole, as in diffusers
    assert np.array_equal(black[hole], photo[hole]) and not np.array_equal(black, photo)
    Image.fromarray(white).save(photo_files / "doubt.png")
    with pytest.raises(MaskError, match=r"doubt\.png: is white over 70"):
        fill(photo, photo_files / "doubt.png", inpainter=inpainter)
    with pytest.raises(MaskError, match="one channel"):
        fill(photo, photo, inpainter=inpainter)


def deep_scene(height, width):
    """A smooth 16-bit gradient that uses steps far finer than 8 bits have."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([20000 + 7 * x, 30000 + 5 * y, 25000 + 3 * (x + y)], axis=2).astype(np.uint16)


@pytest.mark.parametrize("engine", ["auto", "network", "detail", "patch", "telea", "ns"])
def test_sixteen_bits_come_back_without_banding(inpainter, engine):
    photo, mask = deep_scene(96, 120), holes(96, 120)["middle"]
    kept = photo.copy()
    result = inpainter.fill(photo, mask, FillOptions(engine=engine))
    assert result.photo.dtype == np.uint16 and np.array_equal(photo, kept)
    assert np.array_equal(result.photo[~mask], photo[~mask])
    inside = result.photo[mask].astype(int)
    assert (inside % 257 != 0).mean() > 0.9  # 8-bit work, scaled up, would leave multiples of 257
    assert np.abs(inside - photo[mask]).mean() < 6000


def test_every_level_of_sixteen_bits_survives_the_working_scale():
    every = np.arange(65536, dtype=np.uint16)[:65535].reshape(85, 257, 3)
    assert np.array_equal(paste(working_scale(every), np.zeros_like(every), np.ones((85, 257), bool)), every)


def test_both_depths_agree(inpainter):
    photo, mask = scene(90, 90), holes(90, 90)["middle"]
    shallow = inpainter.fill(photo, mask).photo.astype(int)
    deep = inpainter.fill(photo.astype(np.uint16) * 257, mask).photo / 257
    assert np.abs(deep - shallow).max() <= 0.51


def test_progress_rises_from_start_to_end(inpainter):
    heard = []
    photo, mask = scene(300, 260), holes(300, 260)["several"]
    options = FillOptions(engine="detail")
    result = inpainter.fill(photo, mask, options, progress=lambda stage, done: heard.append((stage, done)))
    shares = [done for _, done in heard]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and len(shares) > 5
    assert {"windows", "structure", "detail", "done"} <= {stage for stage, _ in heard}
    assert np.array_equal(result.photo, inpainter.fill(photo, mask, options).photo)


@pytest.mark.parametrize("after", [1, 3, 5])
def test_false_stops_the_fill_and_only_false(inpainter, after):
    calls = []

    def stop(stage, done):
        calls.append(stage)
        return len(calls) < after

    with pytest.raises(Cancelled, match="cancelled"):
        inpainter.fill(scene(200, 200), holes(200, 200)["middle"], progress=stop)
    assert len(calls) == after
    inpainter.fill(scene(40, 40), holes(40, 40)["middle"], progress=lambda stage, done: 0)


@pytest.mark.parametrize("engine", ["auto", "telea", "patch"])
def test_candidates_differ_and_the_first_is_the_result(inpainter, engine):
    photo, mask = scene(120, 120), holes(120, 120)["middle"]
    result = inpainter.fill(photo, mask, FillOptions(engine=engine, candidates=4))
    assert len(result.candidates) == len(result.report.candidates) == 4
    assert result.candidates[0] is result.photo
    assert np.array_equal(result.photo, inpainter.fill(photo, mask, FillOptions(engine=engine)).photo)
    for k, one in enumerate(result.candidates):
        assert np.array_equal(one[~mask], photo[~mask])
        assert not any(np.array_equal(one, other) for other in result.candidates[:k])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"dilate": 1.5}, "dilate must be a whole number, got 1.5"), ({"seed": "3"}, "got '3'"),
        ({"candidates": True}, "candidates must be a whole number, got True"), ({"dilate": None}, "got None"),
        ({"context": True}, "context must be a number, got True"), ({"context": "1"}, "got '1'"),
        ({"context": float("nan")}, "got nan"),
    ],
)  # fmt: skip
def test_settings_that_are_no_numbers_are_refused(setting, words):
    with pytest.raises(OptionError, match=words):
        FillOptions(**setting)
    options = FillOptions(dilate=np.int64(3), context=np.float32(2))
    assert json.loads(json.dumps(asdict(options)))["dilate"] == 3


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_photo_without_colour_is_filled_without(inpainter, kind):
    grey = np.repeat(scene(96, 96)[..., :1], 3, axis=2).astype(kind) * (1 if kind == np.uint8 else 257)
    mask = holes(96, 96)["middle"]
    for result in inpainter.fill(grey, mask, FillOptions(candidates=2)).candidates:
        assert (result == result[..., :1]).all() and np.array_equal(result[~mask], grey[~mask])
        assert result[mask].std() > 0
    grey[0, 1, 0] += 1  # one pixel of some colour: the photo is not grey
    result = inpainter.fill(grey, mask).photo
    assert not (result == result[..., :1]).all()


def test_specks_far_from_a_deep_hole_are_named_by_what_fills_them(inpainter):
    photo, mask = scene(700, 1000), np.zeros((700, 1000), bool)
    mask[50:650:110, 50:700:110] = True
    mask[300:400, 830:960] = True
    result = inpainter.fill(photo, mask, FillOptions(candidates=2))
    specks = [hole for hole in result.report.holes if hole.hole_pixels < 100]
    assert specks and all(hole.engine == "ns" and "neighbours tell best" in hole.reason for hole in specks)
    assert np.array_equal(result.photo[~mask], photo[~mask])
