import numpy as np
import pytest

from inpaint.filling.structure import FINEST
from inpaint.filling.windows import LAP, MOST_PIXELS, TILE, find_windows, widen


def random_boxes(seed, shape=(900, 1400), most=40, largest=90):
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    for _ in range(rng.integers(1, most)):
        y, x, s = rng.integers(0, shape[0] - 20), rng.integers(0, shape[1] - 20), rng.integers(1, largest)
        mask[y : y + s, x : x + s] = True
    return mask


def specks(count, shape=(2000, 3000)):
    rng = np.random.default_rng(0)
    mask = np.zeros(shape, bool)
    mask[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = True
    return mask


def covered(mask, context=1.0):
    """How often every pixel is filled."""
    times = np.zeros(mask.shape, int)
    for window in find_windows(mask, context):
        assert window.own.shape == times[window.crop].shape
        times[window.crop] += window.own
    return times


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("context", [0.25, 1.0, 8.0])
def test_every_hole_pixel_is_filled_once_and_no_other(seed, context):
    mask = random_boxes(seed)
    assert np.array_equal(covered(mask, context), mask.astype(int))


@pytest.mark.parametrize("seed", range(3))
def test_large_holes_among_specks_are_filled_once(seed):
    mask = specks(3000, (900, 1400)) | random_boxes(seed, most=4, largest=300)
    times = covered(mask)
    assert np.array_equal(times > 0, mask) and len(find_windows(mask, 1.0)) < 24
    y, x = np.nonzero(times > 1)  # only near the edges of tiles
    assert (np.minimum(np.abs(y - TILE), np.abs(x % TILE - TILE * (x % TILE > TILE // 2))) <= LAP).all()


def test_a_hole_gets_the_context_asked_for():
    mask = np.zeros((1000, 1000), bool)
    mask[400:500, 450:550] = True
    (window,) = find_windows(mask, 1.0)
    assert (window.top, window.left, window.bottom, window.right) == (300, 350, 600, 650)
    assert window.core == (400, 450, 500, 550) and window.longest == 300 and window.area == 90000
    (narrow,) = find_windows(mask, 0.25)
    assert narrow.top == 400 - 48


def test_thousands_of_specks_are_one_pass_of_tiles():
    windows = find_windows(specks(4000), 1.0)
    assert len(windows) <= 48 and max(window.longest for window in windows) <= FINEST


def test_a_long_scratch_stays_at_full_size_and_narrow():
    mask = np.zeros((3000, 4000), bool)
    for x in range(100, 3900):
        mask[x // 2 : x // 2 + 3, x] = True
    windows = find_windows(mask, 1.0)
    assert np.array_equal(covered(mask) > 0, mask)
    assert max(window.longest for window in windows) <= 512 + 2 * (80 + LAP)


def test_tiles_hand_over_gradually():
    mask = np.zeros((1400, 1400), bool)
    mask[100:106] = mask[:, 700:706] = True
    windows = find_windows(mask, 1.0)
    assert all(window.tile for window in windows)
    shown = np.zeros(mask.shape)
    for window in windows:
        weight = window.weight
        assert weight is not None and weight.min() >= 0 and weight.max() == 1
        part = shown[window.crop]
        part[window.own] = ((1 - weight) * part + weight * window.left)[window.own]
    steps = np.abs(np.diff(shown[102, 20:650]))
    assert 0 < steps.max() <= 512 / (2 * LAP) + 1  # from the left side of the first tile to that of the second


def test_near_holes_share_a_window_while_it_is_filled_at_full_size():
    mask = np.zeros((2000, 2000), bool)
    mask[200:240, 200:240] = mask[200:240, 300:340] = True
    (both,) = find_windows(mask, 1.0)
    assert both.longest <= FINEST
    for y in range(500, 1900, 150):
        for x in range(200, 1900, 150):
            mask[y : y + 60, x : x + 60] = True
    windows = find_windows(mask, 1.0)
    assert max(window.longest for window in windows) <= FINEST and np.array_equal(covered(mask), mask.astype(int))


@pytest.mark.parametrize("side", [300, 900, 1300])
def test_context_gives_way_before_a_window_grows_too_large(side):
    mask = np.zeros((5000, 5000), bool)
    mask[2000 : 2000 + side, 2000 : 2000 + side] = True
    (window,) = find_windows(mask, 8.0)
    assert window.area <= max(MOST_PIXELS * 1.01, (1.5 * side) ** 2 * 1.01)


def test_a_window_with_little_known_is_widened_up_to_the_photo():
    mask = np.zeros((400, 600), bool)
    mask[100:300, 100:500] = True
    mask[::2] = mask[:, ::2] = True
    mask[:, 580:] = False
    (window, *_) = find_windows(mask, 0.25)
    wide = widen(window, mask)
    assert wide.area >= window.area and wide.core == window.core
    assert wide.area == mask.size or mask[wide.crop].mean() <= 0.75
    lone = np.zeros((300, 300), bool)
    lone[100:120, 100:120] = True
    (window,) = find_windows(lone, 1.0)
    assert widen(window, lone) is window


@pytest.mark.parametrize("depth", [3, 7, 16])
def test_long_shallow_holes_are_filled_at_full_size(depth):
    """In larger windows the network would fill them at a smaller size, and diffusion takes its place."""
    mask = np.zeros((1500, 2000), bool)
    mask[700 : 700 + 2 * depth - 1, 60:1900] = True
    windows = find_windows(mask, 1.0)
    assert max(window.longest for window in windows) <= FINEST and len(windows) == 5
    assert np.array_equal(covered(mask) > 0, mask)
    mask[:, 460:] = False  # short enough to be no tiles: the margin gives way
    (window,) = find_windows(mask, 1.0)
    assert window.longest <= FINEST
    assert find_windows(mask, 2.0)[0].longest > window.longest or depth == 3  # asked for, it gets more


def test_shallow_holes_at_the_edge_keep_the_context_that_fits():
    mask = np.zeros((500, 900), bool)
    mask[200:230, :300] = True
    (window,) = find_windows(mask, 1.0)
    assert window.crop == (slice(0, 442), slice(0, 512))


@pytest.mark.parametrize("shape", [(512, 512), (450, 450), (400, 2000)])
def test_sides_that_a_window_has_room_for_are_not_cut(shape):
    lines = np.zeros(shape, bool)
    lines[shape[0] // 2 : shape[0] // 2 + 5] = lines[:, 200:205] = True
    spots = np.zeros(shape, bool)
    for k in range(20):
        spots[20 + 37 * k % (shape[0] - 30) :, 10 + 97 * k % (shape[1] - 20) :][:6, :6] = True
    for mask in (lines, spots):
        windows = find_windows(mask, 1.0)
        assert max(window.longest for window in windows) <= FINEST and np.array_equal(covered(mask) > 0, mask)
        assert len(windows) == 1 if max(shape) <= FINEST else len(windows) <= 6


def test_too_many_tiles_are_coarse_ones():
    fine, coarse = (find_windows(specks(4000, shape), 1.0) for shape in ((1500, 1500), (3000, 4000)))
    assert max(w.longest for w in fine) <= FINEST and len(fine) == 16
    assert len(coarse) == 48 and max(w.longest for w in coarse) > FINEST
