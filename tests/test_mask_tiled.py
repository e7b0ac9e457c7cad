import cv2
import numpy as np
import pytest

from benchmarks.mask_truth import faint_mark_case
from inpaint.masking.lattice import find_lattice
from inpaint.masking.tiled import tiled_mask
from tests.test_mask_tools import photo


def on_a_grid(first, second, shape=(360, 420), side=22):
    """A blot of noise at every point of a lattice, in noise."""
    rng = np.random.default_rng(0)
    blot, picture = rng.normal(0, 1, (side, side)), rng.normal(0, 0.7, shape)
    for m in range(-30, 30):
        for n in range(-30, 30):
            x, y = (np.array(first) * m + np.array(second) * n).round().astype(int)
            if 0 <= x < shape[1] - side and 0 <= y < shape[0] - side:
                picture[y : y + side, x : x + side] += blot
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.8)


@pytest.mark.parametrize(("first", "second"), [((60, 0), (0, 45)), ((52.5, 30.25), (-40, 70.5)), ((90, 10), (45, 61))])
def test_a_lattice_is_found_to_a_fraction_of_a_pixel(first, second):
    lattice = find_lattice(on_a_grid(first, second))
    found, truth = np.stack([lattice.first, lattice.second]), np.stack([first, second])
    times = truth @ np.linalg.inv(found)
    assert np.abs(times - times.round()).max() < 0.02 and abs(abs(np.linalg.det(times)) - 1) < 0.02
    assert lattice.score > 20
    assert np.allclose(lattice.scaled(2).first, 2 * lattice.first)


def test_noise_and_flat_pictures_have_no_lattice():
    lattice = find_lattice(np.random.default_rng(1).normal(0, 1, (300, 400)).astype(np.float32))
    assert lattice is None or lattice.score < 8
    assert find_lattice(np.zeros((300, 400), np.float32)) is None
    assert find_lattice(np.ones((30, 30), np.float32)) is None


def test_faint_marks_are_found_to_their_strokes():
    hit = strokes = area = 0
    for seed in range(5):
        case = faint_mark_case(np.random.default_rng(seed), photo(seed, 400, 500), [])
        before = case.photo.copy()
        found = tiled_mask(case.photo)
        assert np.array_equal(case.photo, before) and found.dtype == bool
        hit, strokes, area = hit + (found & case.truth).sum(), strokes + case.truth.sum(), area + found.sum()
    assert hit > 0.9 * strokes and area < 2.5 * strokes


def test_unmarked_photos_have_no_tiled_mark():
    for seed in range(4):
        assert not tiled_mask(photo(seed, 300, 400)).any()
    assert not tiled_mask(np.full((200, 200, 3), 90, np.uint8)).any()
    assert not tiled_mask(np.zeros((3, 5, 3), np.uint8)).any()


def test_a_larger_photo_is_searched_small_and_drawn_fine():
    case = faint_mark_case(np.random.default_rng(3), photo(3, 400, 500), [])
    size = (2000, 1600)
    large = cv2.resize(case.photo, size, interpolation=cv2.INTER_CUBIC)
    truth = cv2.resize(case.truth.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    found = tiled_mask(large)
    assert found.shape == truth.shape and (found & truth).sum() > 0.85 * truth.sum()
    assert found.sum() < 2.5 * truth.sum()


@pytest.mark.parametrize(("opacity", "found"), [(0.9, False), (0.25, True)])
def test_the_windows_of_a_house_are_no_mark_and_a_faint_solid_one_is(opacity, found):
    cover = np.zeros((400, 400, 1), np.float32)
    for y in range(8, 400, 60):
        for x in range(10, 400, 55):
            cover[y : y + 40, x : x + 36] = opacity
    windows = (photo(0, 400, 400) * (1 - cover) * 0.5 + 240 * cover).astype(np.uint8)
    assert tiled_mask(windows).any() == found
