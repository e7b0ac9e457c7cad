import numpy as np
import pytest

from inpaint.filling.blend import correct_seam, membrane, paste, seam_score
from inpaint.filling.structure import octave_sizes, shrink_known
from inpaint.filling.windows import find_windows
from tests.conftest import scene


@pytest.mark.parametrize("seed", range(6))
def test_windows_cover_every_hole(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((900, 1400), bool)
    for _ in range(rng.integers(1, 40)):
        y, x, s = rng.integers(0, 880), rng.integers(0, 1380), rng.integers(1, 90)
        mask[y : y + s, x : x + s] = True
    covered = np.zeros_like(mask)
    for w in find_windows(mask, 1.0):
        covered[w.core[0] : w.core[2], w.core[1] : w.core[3]] = True
        assert w.top <= w.core[0] and w.left <= w.core[1] and w.bottom >= w.core[2] and w.right >= w.core[3]
    assert covered[mask].all()


def test_thousands_of_specks_stay_small_windows():
    mask = np.zeros((2000, 3000), bool)
    rng = np.random.default_rng(0)
    mask[rng.integers(0, 2000, 4000), rng.integers(0, 3000, 4000)] = True
    windows = find_windows(mask, 1.0)
    assert max(w.longest for w in windows) <= 1600 and len(windows) < 100


def test_octaves_end_at_the_window_and_start_at_training_size():
    assert octave_sizes(512, 256) == [(128, 64), (256, 128), (512, 256)]
    assert octave_sizes(100, 90) == [(100, 90)]
    assert octave_sizes(2048, 1024)[-1] == (512, 256)


def test_shrinking_ignores_the_hole():
    photo = np.full((4, 4, 3), 0.5, np.float32)
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = mask[2:, 2:] = True
    photo[mask] = 9
    small, hole = shrink_known(photo, mask, (2, 2))
    assert hole.tolist() == [[False, False], [False, True]]
    assert np.allclose(small[~hole], 0.5)


def test_membrane_of_a_constant_is_that_constant():
    weight = np.ones((37, 21), np.float32)
    weight[10:30, 5:15] = 0
    values = np.full((37, 21, 3), 7, np.float32) * weight[..., None]
    assert np.allclose(membrane(values, weight), 7, atol=1e-3)


def test_seam_correction_removes_a_colour_shift():
    photo = scene(100, 100)
    mask = np.zeros((100, 100), bool)
    mask[30:70, 30:70] = True
    shifted = np.clip(photo.astype(np.float32) + 30, 0, 255)
    rim = mask & ~np.pad(mask, 1)[2:, 1:-1]
    before = np.abs(shifted - photo)[rim].mean()
    after = np.abs(correct_seam(shifted, photo, mask) - photo)[rim].mean()
    assert after < 0.3 * before
    assert seam_score(paste(correct_seam(shifted, photo, mask), photo, mask), mask) < seam_score(
        paste(shifted, photo, mask), mask
    )


def test_paste_touches_only_the_hole_and_rounds():
    photo = np.zeros((2, 2, 3), np.uint8)
    mask = np.array([[True, False], [False, False]])
    filled = paste(np.full((2, 2, 3), 9.6, np.float32), photo, mask)
    assert filled[0, 0].tolist() == [10, 10, 10] and filled.sum() == 30 and photo.sum() == 0
