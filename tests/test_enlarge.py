import cv2
import numpy as np
import pytest

from inpaint import FillOptions
from inpaint.filling import enlarge
from inpaint.filling.detail import Synthesis
from inpaint.filling.enlarge import paste_enlarged, shrink_factor, shrink_window
from tests.conftest import scene


def test_only_large_windows_are_shrunk():
    assert shrink_factor(2_000_000, 300_000) == 1
    assert shrink_factor(2_000_001, 10) == 2 and shrink_factor(10, 300_001) == 2
    assert shrink_factor(24_000_000, 11_000_000) == 8


def test_shrinking_takes_means_of_known_pixels_alone():
    photo = np.full((6, 8, 3), 100, np.uint16)
    hole = np.zeros((6, 8), bool)
    hole[0, 0] = hole[4:, 4:] = True
    photo[hole] = 60000
    small, small_hole = shrink_window(photo, hole, 2)
    assert small.shape == (3, 4, 3) and small_hole.tolist() == [
        [True, False, False, False], [False, False, False, False], [False, False, True, True]
    ]  # fmt: skip
    known = ~hole.reshape(3, 2, 4, 2).all(axis=(1, 3))
    assert np.allclose(small[known], 100 * 255 / 65535, atol=1e-3)


@pytest.mark.parametrize("factor", [2, 4])
def test_shrinking_does_not_depend_on_strips(monkeypatch, factor):
    photo, hole = scene(101, 67), np.random.default_rng(0).random((101, 67)) < 0.3
    whole = shrink_window(photo, hole, factor)
    monkeypatch.setattr(enlarge, "STRIP", 8)
    parts = shrink_window(photo, hole, factor)
    assert whole[0].shape == (-(-101 // factor), -(-67 // factor), 3)
    assert np.allclose(whole[0], parts[0], atol=1e-3) and np.array_equal(whole[1], parts[1])


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarging_does_not_depend_on_strips(monkeypatch, factor):
    fill = np.random.default_rng(0).uniform(0, 255, (40, 70, 3)).astype(np.float32)
    whole = enlarge._smooth_rows(fill, 0, (40 * factor, 70 * factor - 1), factor)
    monkeypatch.setattr(enlarge, "WIDEST", 4 * factor)
    assert np.abs(enlarge._smooth_rows(fill, 0, whole.shape[:2], factor) - whole).max() < 0.1
    part = enlarge._smooth_rows(fill, 9 * factor, (5 * factor, whole.shape[1]), factor)
    assert np.abs(part - whole[9 * factor : 14 * factor]).max() < 0.1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_are_copied_from_where_the_small_ones_came_from(dtype):
    rng = np.random.default_rng(2)
    photo = rng.integers(0, np.iinfo(dtype).max, (64, 96, 3)).astype(dtype)
    hole = np.zeros((64, 96), bool)
    hole[16:48, 16:32] = True
    origin = np.full((16, 24, 2), -1, np.int32)
    y, x = np.mgrid[:16, :24]
    origin[4:12, 4:8] = np.stack([y, x + 8], axis=2)[4:12, 4:8]  # 8 small pixels to the right: 32 large ones
    nothing = np.zeros((16, 24, 3), np.float32)
    filled = paste_enlarged(Synthesis(nothing, origin, nothing), photo, hole, hole, 4)
    assert filled.dtype == dtype and np.array_equal(filled[~hole], photo[~hole])
    assert np.array_equal(filled[16:48, 16:32], photo[16:48, 48:64])


def test_without_a_source_the_small_fill_stands_in():
    photo, hole = scene(40, 40), np.zeros((40, 40), bool)
    hole[8:32, 8:32] = True
    flat = np.full((10, 10, 3), 50, np.float32)
    nowhere = np.full((10, 10, 2), -1, np.int32)
    for small in (Synthesis(flat, nowhere, flat * 0), Synthesis(flat)):
        filled = paste_enlarged(small, photo, hole, hole, 4)
        assert (filled[hole] == 50).all() and np.array_equal(filled[~hole], photo[~hole])


def test_a_hole_too_large_for_full_size_keeps_the_photos_grain(inpainter, monkeypatch):
    rng = np.random.default_rng(5)
    grain = cv2.GaussianBlur(rng.normal(0, 60, (300, 400, 3)), (0, 0), 0.7)
    photo, mask = np.clip(128 + grain, 0, 255).astype(np.uint8), np.zeros((300, 400), bool)
    mask[90:210, 130:270] = True
    monkeypatch.setattr(enlarge, "MOST_HOLE_PIXELS", 2000)
    result = inpainter.fill(photo, mask, FillOptions(engine="detail"))
    assert result.report.holes[0].shrunk == 4 and np.array_equal(result.photo[~mask], photo[~mask])
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))) > 0

    def roughness(values, where):
        values = values.astype(np.float32)
        return np.abs(values - cv2.GaussianBlur(values, (0, 0), 1.5))[where].mean()

    assert 0.8 < roughness(result.photo, inside) / roughness(photo, ~mask) < 1.2
