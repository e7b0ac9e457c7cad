"""Guided patch synthesis: exact outside the hole, deterministic, sharp, and calm in odd cases."""

import cv2
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint.errors import Cancelled
from inpaint.filling import detail
from inpaint.filling.progress import Progress


def synthesize(*arguments, **settings):
    return detail.synthesize(*arguments, **settings).fill


def box_hole(height: int, width: int, side: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    top, left = (height - side) // 2, (width - side) // 2
    mask[top : top + side, left : left + side] = True
    return mask


def blurred(photo: np.ndarray, factor: int = 8) -> np.ndarray:
    height, width = photo.shape[:2]
    small = cv2.resize(photo.astype(np.float32), (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def noise(size: int = 128, seed: int = 3) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, 60, (size, size, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(values, (0, 0), 0.8) * 2 + 128, 0, 255).astype(np.uint8)


def checker(size: int = 128, cell: int = 6) -> np.ndarray:
    y, x = np.mgrid[:size, :size] // cell
    return np.where(((y + x) % 2 == 0)[..., None], (220, 200, 60), (30, 60, 120)).astype(np.uint8)


def stripes(size: int = 128) -> np.ndarray:
    x = np.mgrid[:size, :size][1] // 5
    return np.where((x % 2 == 0)[..., None], (240, 30, 30), (20, 20, 200)).astype(np.uint8)


def high_frequencies(photo: np.ndarray, where: np.ndarray) -> float:
    values = photo.astype(np.float32)
    return float(np.abs(values - cv2.GaussianBlur(values, (0, 0), 1.5))[where].mean())


@pytest.mark.parametrize("guided", [True, False])
def test_known_pixels_stay_and_arguments_are_not_written(guided):
    photo, mask = noise(), box_hole(128, 128, 40)
    guide = blurred(photo) if guided else None
    copies = photo.copy(), mask.copy(), None if guide is None else guide.copy()
    fill = synthesize(photo, mask, guide)
    assert fill.dtype == np.float32 and fill.shape == photo.shape
    assert np.array_equal(fill[~mask], photo[~mask].astype(np.float32))
    assert fill.min() >= 0 and fill.max() <= 255
    assert np.array_equal(photo, copies[0]) and np.array_equal(mask, copies[1])
    assert guide is None or np.array_equal(guide, copies[2])


def test_what_the_hole_hides_does_not_matter():
    photo, mask = noise(), box_hole(128, 128, 40)
    other = photo.copy()
    other[mask] = 0
    guide = blurred(photo)
    assert np.array_equal(synthesize(photo, mask, guide), synthesize(other, mask, guide))
    assert np.array_equal(synthesize(photo, mask, None), synthesize(other, mask, None))


def test_the_seed_alone_decides():
    photo, mask = noise(), box_hole(128, 128, 40)
    guide = blurred(photo)
    threads = numba.get_num_threads()
    fills = []
    try:
        for count in (1, min(2, numba.config.NUMBA_NUM_THREADS), 1):
            numba.set_num_threads(count)
            fills.append(synthesize(photo, mask, guide, seed=5))
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(fills[0], fills[1]) and np.array_equal(fills[0], fills[2])
    assert not np.array_equal(fills[0], synthesize(photo, mask, guide, seed=6))


@pytest.mark.parametrize("texture", [stripes, checker])
def test_a_periodic_texture_is_restored(texture):
    photo, mask = texture(), box_hole(128, 128, 36)
    guide = blurred(photo, 4)
    fill = synthesize(photo, mask, guide)
    error = np.abs(fill - photo)[mask].mean()
    assert error < 0.4 * np.abs(guide - photo)[mask].mean()


def test_a_random_texture_keeps_its_high_frequencies():
    photo, mask = noise(), box_hole(128, 128, 40)
    fill = synthesize(photo, mask, blurred(photo))
    inside = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ratio = high_frequencies(fill, inside) / high_frequencies(photo, ~mask)
    assert 0.7 < ratio < 1.3


@pytest.mark.parametrize("size", [(1, 40), (40, 2), (5, 5), (7, 9), (31, 64), (200, 13), (1, 1)])
@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.95, 1.0])
def test_odd_cases_are_filled(size, guided, share):
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = np.zeros(size, bool)
    mask.flat[: max(1, round(share * mask.size))] = True
    guide = np.full((*size, 3), 99, np.float32) if guided else None
    fill = synthesize(photo, mask, guide)
    assert fill.shape == photo.shape and fill.dtype == np.float32 and np.isfinite(fill).all()
    assert np.array_equal(fill[~mask], photo[~mask])


@pytest.mark.parametrize("guided", [True, False])
def test_a_constant_photo_stays_constant(guided):
    photo, mask = np.full((96, 80, 3), 77, np.uint8), box_hole(96, 80, 30)
    fill = synthesize(photo, mask, photo.astype(np.float32) if guided else None)
    assert np.abs(fill - 77).max() < 0.01


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 60), width=st.integers(1, 60), share=st.floats(0.01, 0.99), guided=st.booleans(),
    blocky=st.booleans(), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_any_hole_is_filled_with_finite_values_whatever_the_threads(height, width, share, guided, blocky, seed):
    rng = np.random.default_rng(seed)
    photo = rng.uniform(0, 255, (height, width, 3)).astype(np.float32)
    mask = rng.random((height, width)) < share
    if blocky:
        mask = np.zeros((height, width), bool)
        mask[: round(height * share), : round(width * share) + 1] = True
    guide = rng.uniform(-50, 300, photo.shape).astype(np.float32) if guided else None
    threads = numba.get_num_threads()
    try:
        fills = []
        for count in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(count)
            fills.append(detail.synthesize(photo, mask, guide, seed=seed))
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(fills[0].fill, fills[1].fill)
    assert np.isfinite(fills[0].fill).all() and fills[0].fill.min() >= 0 and fills[0].fill.max() <= 255
    assert np.array_equal(fills[0].fill[~mask], photo[~mask])
    if fills[0].origin is not None:
        sources = fills[0].origin[mask]
        sources = sources[sources[:, 0] >= 0]
        assert not mask[sources[:, 0], sources[:, 1]].any()


def test_textured_sources_are_not_at_a_disadvantage(monkeypatch):
    strength = np.linspace(0.1, 1, 192, dtype=np.float32)[None, :, None]
    photos = [128 + (noise(192, seed).astype(np.float32) - 128) * strength for seed in range(8)]
    mask = box_hole(192, 192, 70)

    def energy() -> float:
        return sum(high_frequencies(synthesize(photo, mask, blurred(photo, 16)), mask) for photo in photos)

    fair = energy()
    monkeypatch.setattr(detail, "TEXTURE", 0.0)
    assert fair > 1.1 * energy()


@pytest.mark.parametrize(("width", "rounds"), [(10, detail.THIN_ROUNDS[0]), (60, detail.ROUNDS[0])])
def test_thin_holes_keep_their_rounds_at_the_finest_level(monkeypatch, width, rounds):
    photo, mask = noise(192).astype(np.float32), box_hole(192, 192, 150)
    mask[:, : 96 - width // 2] = mask[:, 96 + width // 2 :] = False
    sizes, search = [], detail.search

    def watched(colour, *others):
        sizes.append(len(colour))
        search(colour, *others)

    monkeypatch.setattr(detail, "search", watched)
    synthesize(photo, mask, blurred(photo))
    assert sizes.count(192) == rounds


def test_cancelling_between_levels():
    def stop(stage, done):
        return done < 0.2

    with pytest.raises(Cancelled):
        synthesize(noise(), box_hole(128, 128, 40), None, progress=Progress(stop))


def test_without_sources_the_guide_is_the_answer():
    photo, mask = noise(64), np.ones((64, 64), bool)
    mask[:6, :6] = False
    guide = blurred(noise(64, 9))
    assert np.array_equal(synthesize(photo, mask, guide)[mask], guide[mask])


def test_no_hole_no_change():
    photo = noise(64)
    assert np.array_equal(synthesize(photo, np.zeros((64, 64), bool), None), photo)
