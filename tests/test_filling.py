import numpy as np
import pytest

from inpaint.filling import blend
from inpaint.filling.blend import correct_seam, membrane, paste, seam_score, working_scale
from inpaint.filling.structure import octave_sizes, shrink_known
from tests.conftest import scene


def test_octaves_end_at_the_window_and_start_at_training_size():
    assert octave_sizes(512, 256) == [(64, 32), (128, 64), (256, 128), (512, 256)]
    assert octave_sizes(512, 256, finest=256) == [(64, 32), (128, 64), (256, 128)]
    assert octave_sizes(60, 50) == [(60, 50)] and octave_sizes(100, 90, guided=False) == [(100, 90)]
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
    photo = working_scale(scene(100, 100))
    mask = np.zeros((100, 100), bool)
    mask[20:80, 20:80] = True
    shifted = np.clip(photo + 30, 0, 255)
    rim = mask & ~np.pad(mask, 1)[2:, 1:-1]
    before = np.abs(shifted - photo)[rim].mean()
    after = np.abs(correct_seam(shifted, photo, mask) - photo)[rim].mean()
    assert after < 0.3 * before
    shallow = scene(100, 100)
    corrected = paste(correct_seam(shifted, photo, mask), shallow, mask)
    assert seam_score(corrected, mask) < seam_score(paste(shifted, shallow, mask), mask)


def test_seam_correction_leaves_the_surroundings_and_needs_a_hole():
    photo = working_scale(scene(60, 50))
    mask = np.zeros((60, 50), bool)
    assert np.array_equal(correct_seam(photo + 5, photo, mask), photo + 5)
    mask[:20, 30:] = True
    assert np.array_equal(correct_seam(photo + 5, photo, mask)[~mask], (photo + 5)[~mask])
    mask[:] = False
    mask[20:30, 5:45] = True  # too thin for a correction
    assert np.array_equal(correct_seam(photo + 5, photo, mask), photo + 5)


@pytest.mark.parametrize("strip", [7, 64, 1000])
def test_the_seam_score_does_not_depend_on_strips(monkeypatch, strip):
    photo, mask = scene(130, 90), np.zeros((130, 90), bool)
    mask[20:101, 30:66] = True
    whole = seam_score(photo, mask)
    monkeypatch.setattr(blend, "STRIP", strip)
    assert seam_score(photo, mask) == pytest.approx(whole)
    assert seam_score(photo.astype(np.uint16) * 257, mask) == pytest.approx(whole, rel=1e-5)
    assert seam_score(photo, np.zeros((130, 90), bool)) == 1.0


def test_paste_touches_only_the_hole_and_rounds():
    photo = np.zeros((2, 2, 3), np.uint8)
    mask = np.array([[True, False], [False, False]])
    filled = paste(np.full((2, 2, 3), 9.6, np.float32), photo, mask)
    assert filled[0, 0].tolist() == [10, 10, 10] and filled.sum() == 30 and photo.sum() == 0
