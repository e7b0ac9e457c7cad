import cv2
import numpy as np
import pytest
import torch

from inpaint.filling import blend
from inpaint.filling.blend import (
    COMPARED,
    INSIDE,
    LENT,
    correct_seam,
    correct_shift,
    depths,
    lend_detail,
    membrane,
    paste,
    seam_score,
    sharpen,
    take_detail,
    working_scale,
)  # fmt: skip
from inpaint.filling.boxes import overlap
from inpaint.filling.engines import Variant, WindowEngines
from inpaint.filling.structure import (
    NEAR,
    fill_octaves,
    fill_structure,
    guiding_size,
    near_parts,
    octave_sizes,
    shrink_known,
)  # fmt: skip
from inpaint.models.dilated import Dilated, DilatedConfig
from tests.conftest import scene


def test_octaves_end_at_the_window_and_start_at_training_size():
    assert octave_sizes(512, 256) == [(64, 32), (128, 64), (256, 128), (512, 256)]
    assert octave_sizes(512, 256, finest=256) == [(64, 32), (128, 64), (256, 128)]
    assert octave_sizes(60, 50) == [(60, 50)] and octave_sizes(100, 90, guided=False) == [(100, 90)]
    assert octave_sizes(2048, 1024)[-1] == (512, 256)


def test_a_guide_shows_what_a_quarter_of_the_window_shows():
    sizes = {300: 128, 512: 128, 513: 256, 1024: 256, 1025: 512, 2048: 512, 5000: 512}
    assert {longest: guiding_size(longest, 100) for longest in sizes} == sizes
    assert guiding_size(100, 800) == 256


@pytest.mark.parametrize("seed", range(5))
def test_near_parts_hold_every_hole_and_never_overlap(seed):
    rng = np.random.default_rng(seed)
    hole = np.zeros((300, 410), bool)
    for top, left in rng.integers(0, [300, 410], (6, 2)):
        hole[top : top + 30, left : left + 12] = True
    parts = near_parts(hole)
    covered = np.zeros(hole.shape, int)
    for top, left, bottom, right in parts:
        assert 0 <= top < bottom <= 300 and 0 <= left < right <= 410
        covered[top:bottom, left:right] += 1
    assert covered.max() == 1
    rows, columns = np.nonzero(hole)
    for down, across in ((-NEAR, 0), (NEAR, 0), (0, -NEAR), (0, NEAR)):
        assert covered[np.clip(rows + down, 0, 299), np.clip(columns + across, 0, 409)].all()
    assert not any(overlap(a, b) for a in parts for b in parts if a is not b)


def test_no_hole_has_no_parts():
    assert near_parts(np.zeros((20, 20), bool)) == []


def test_octaves_after_the_first_are_computed_near_the_holes_alone():
    torch.manual_seed(0)
    network = Dilated(DilatedConfig(8, 8)).eval()
    seen = []
    network.entry.register_forward_hook(lambda _, inputs, __: seen.append(tuple(2 * n for n in inputs[0].shape[-2:])))
    mask = np.zeros((400, 512), bool)
    mask[100:140, 80:128] = mask[330:336, 440:446] = True
    photo = working_scale(scene(400, 512))
    fill = fill_structure(network, photo, mask, torch.device("cpu"))
    assert fill.shape == photo.shape and np.isfinite(fill).all()
    first = [(52, 64), (28, 32), (40, 48)]  # 50, 25 and 38 rows, up to a multiple of 4
    assert seen[:3] == first and seen[-2:] == [(80, 80), (48, 48)]
    assert all(height * width <= 128 * 128 for height, width in seen)


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


def test_a_shift_of_colour_is_removed_and_nothing_else():
    photo = working_scale(scene(100, 100))
    for box in (np.s_[20:80, 20:80], np.s_[30:36, 10:90]):  # thin ones, too
        mask = np.zeros((100, 100), bool)
        mask[box] = True
        assert np.array_equal(correct_shift(photo, photo, mask), photo)  # edges at the rim are the photo's
        assert np.abs(correct_seam(photo, photo, mask) - photo).max() > 5 or mask.sum() < 1000
        truth = photo * np.float32(0.7) + 40
        shifted = truth + np.array([6, -9, 3], np.float32)
        corrected = correct_shift(shifted, truth, mask)
        rim = mask & ~np.pad(mask, 1)[2:, 1:-1]
        assert np.abs(corrected - truth)[rim].max() < 1 and np.abs(corrected - truth)[mask].max() < 9 * 0.3
        assert np.array_equal(corrected[~mask], shifted[~mask])
    assert correct_shift(shifted, photo, np.zeros_like(mask)) is shifted


def test_sharpening_adds_contrast_inside_the_hole_alone():
    photo = working_scale(scene(100, 100))
    mask = np.zeros((100, 100), bool)
    mask[20:80, 20:80] = True
    grain = np.random.default_rng(0).normal(128, 60, photo.shape).clip(0, 255)
    soft = cv2.GaussianBlur(grain.astype(np.float32), (0, 0), 0.8)
    sharp = sharpen(soft, photo, mask)
    deep, rim = np.s_[40:60, 40:60], np.s_[20:23, 20:80]
    contrast = [float((x[deep] - cv2.GaussianBlur(x, (0, 0), 1)[deep]).std()) for x in (soft, sharp)]
    assert contrast[1] > 1.15 * contrast[0] > 0
    assert np.array_equal(sharp[rim], soft[rim]) and np.array_equal(sharp[~mask], soft[~mask])
    assert sharp.min() >= 0 and sharp.max() <= 255
    flat = np.full_like(photo, 90)
    assert np.allclose(sharpen(flat, flat, mask), 90, atol=1e-3)
    assert sharpen(soft, photo, np.zeros_like(mask)) is soft


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


def test_detail_is_taken_where_fill_and_patches_agree_and_nowhere_else():
    rng = np.random.default_rng(0)
    fill = np.full((80, 160, 3), 100, np.float32)
    patches = fill + rng.normal(0, 10, fill.shape).astype(np.float32)  # the same with grain,
    patches[:, 80:] += 60  # and something else
    mask = np.zeros((80, 160), bool)
    mask[10:70, 10:150] = True
    result = take_detail(fill, patches, fill, mask)
    assert np.array_equal(result[~mask], fill[~mask])
    grain = result - fill
    assert 6 < grain[20:60, 20:60].std() < 10 and abs(grain[20:60, 20:60].mean()) < 0.5
    assert np.abs(grain[20:60, 100:140]).max() < 1e-3
    assert np.array_equal(take_detail(fill, fill.copy(), fill, mask), fill)
    assert take_detail(fill, patches, fill, np.zeros_like(mask)) is fill


def test_a_guide_is_lent_the_detail_of_patches_inside_the_hole_alone():
    rng = np.random.default_rng(0)
    guide = np.full((80, 160, 3), 100, np.float32)
    patches = guide + rng.normal(0, 10, guide.shape).astype(np.float32)
    mask = np.zeros((80, 160), bool)
    mask[10:70, 10:150] = True
    lent = lend_detail(guide, patches, mask) - guide
    assert np.abs(lent[depths(mask) <= INSIDE[0]]).max() == 0
    whole = take_detail(guide, patches, guide, mask, coarser=COMPARED) - guide
    assert np.allclose(lent[depths(mask) >= INSIDE[1]], LENT * whole[depths(mask) >= INSIDE[1]], atol=1e-4)


def test_detailing_changes_the_guide_of_the_last_octave_alone():
    photo, mask = working_scale(scene(160, 240)), np.zeros((160, 240), bool)
    mask[50:100, 80:160] = True
    torch.manual_seed(0)
    network = Dilated(DilatedConfig(8, 8)).eval()
    given = []

    def brighter(octaves, guide):
        given.append(([fill.shape for fill in octaves], guide))
        return guide + 20 * mask[..., None]

    plain = fill_octaves(network, photo, mask, torch.device("cpu"))
    changed = fill_octaves(network, photo, mask, torch.device("cpu"), detailing=brighter)
    ((shapes, guide),) = given
    assert shapes == [fill.shape for fill in plain[:-1]] and guide.shape == photo.shape
    assert all(np.array_equal(a, b) for a, b in zip(plain[:-1], changed[:-1], strict=True))
    assert 10 < (changed[-1] - plain[-1])[mask].mean() < 30
    part = np.s_[40:100, 80:140]
    (only,) = fill_octaves(network, photo[part], mask[part].copy(), torch.device("cpu"), detailing=brighter)
    assert only.shape == (60, 60, 3) and len(given) == 1


@pytest.mark.parametrize("guide", ["both", "refined"])
def test_the_network_with_detail_of_patches_is_copied_at_full_size_too(guide):
    photo, mask = scene(96, 120), np.zeros((96, 120), bool)
    mask[30:60, 40:80] = True
    torch.manual_seed(0)
    network = Dilated(DilatedConfig(8, 8)).eval()
    engines = WindowEngines(network, torch.device("cpu"), working_scale(photo), mask)
    alone, both = engines.fill(Variant("network")), engines.fill(Variant("detail", guide=guide, share=0.5))
    assert np.array_equal(both.fill[~mask], working_scale(photo)[~mask])
    assert not np.array_equal(both.fill[mask], alone.fill[mask])
    y, x = both.origin[mask].T
    copied = working_scale(photo)[y, x] + both.shift[mask]
    assert np.abs(copied - both.fill[mask]).max() < 1e-3


def test_mixing_a_part_of_the_detail_keeps_the_contrast_of_both():
    rng = np.random.default_rng(0)
    fill = (100 + rng.normal(0, 12, (80, 160, 3))).astype(np.float32)
    patches = (100 + rng.normal(0, 12, fill.shape)).astype(np.float32)  # of the same grain, pixel by pixel another
    mask = np.zeros((80, 160), bool)
    mask[10:70, 10:150] = True
    inside = np.s_[20:60, 20:140]
    plain = 0.5 * (fill + patches)[inside].std()
    for share in (0.25, 0.5, 1.0):
        mixed = take_detail(fill, patches, fill, mask, share)
        assert np.array_equal(mixed[~mask], fill[~mask])
        assert abs(mixed[inside].std() / fill[inside].std() - 1) < 0.07
    assert plain < 0.75 * fill[inside].std()


@pytest.mark.parametrize("strip", [7, 256])
def test_the_seam_score_does_not_see_holes_that_are_not_filled_yet(monkeypatch, strip):
    monkeypatch.setattr("inpaint.filling.blend.STRIP", strip)
    photo, filled, others = scene(60, 90), np.zeros((60, 90), bool), np.zeros((60, 90), bool)
    filled[20:40, 20:40], others[10:50, 60:80] = True, True
    torn = photo.copy()
    torn[others] = np.random.default_rng(0).integers(0, 256, (int(others.sum()), 3))
    expected = seam_score(photo, filled, filled | others)
    assert seam_score(torn, filled, filled | others) == expected
    assert expected == pytest.approx(seam_score(photo, filled), rel=0.2)


def test_thin_parts_beside_a_deep_hole_are_not_corrected():
    """What differs across a leg or a cable is the photo's content, whatever lies near it."""
    photo = working_scale(scene(200, 200))
    mask = np.zeros((200, 200), bool)
    mask[20:100, 60:140] = True
    mask[100:190, 95:103] = True
    change = np.abs(correct_seam(photo + 5, photo, mask) - (photo + 5)).max(axis=2)
    assert change[125:185, 95:103].max() == 0 and change[20:100, 60:140][mask[20:100, 60:140]].min() > 0
    assert change[22, 100] > 2 and change[98, 65] > 2  # at its rim and in its corners, too
