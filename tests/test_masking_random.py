import numpy as np
import pytest
import torch

from inpaint.masking.device import DeviceMasks
from inpaint.masking.random import KINDS, TRAINING_MIX, draw_segment, random_mask

AREAS = {"thin": (0.01, 0.12), "medium": (0.05, 0.3), "thick": (0.1, 0.5), "strokes": (0.05, 0.3), "boxes": (0.05, 0.3),
         "objects": (0.08, 0.2)}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_seeded_and_sane(kind):
    a, b = (KINDS[kind](np.random.default_rng(5), 128) for _ in range(2))
    assert np.array_equal(a, b) and a.shape == (128, 128) and a.dtype == bool
    areas = [KINDS[kind](np.random.default_rng(i), 128).mean() for i in range(100)]
    low, high = AREAS[kind]
    assert low < np.mean(areas) < high


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_relative_to_the_size(kind):
    areas = [np.mean([KINDS[kind](np.random.default_rng(i), size).mean() for i in range(60)]) for size in (64, 256)]
    assert areas[0] == pytest.approx(areas[1], rel=0.35)


def test_objects_keep_to_their_stated_area():
    areas = np.array([KINDS["objects"](np.random.default_rng(i), 256).mean() for i in range(300)])
    assert areas.max() < 0.26 and (areas > 0.03).mean() > 0.9  # a few are cut off by the border


@pytest.mark.parametrize("width", [1, 2, 3, 8])
@pytest.mark.parametrize("turn", [0.02, 0.4, 0.7, 1.3])
def test_segments_are_as_wide_as_they_say(width, turn):
    canvas = np.zeros((200, 200), bool)
    along = 70 * np.array([np.cos(turn), np.sin(turn)])
    middle = np.array([100.17, 100.31])
    draw_segment(canvas, middle - along, middle + along, width)
    assert canvas.sum() == pytest.approx(140 * width + np.pi * width**2 / 4, rel=0.04 if width > 1 else 0.12)


def test_random_mask_is_never_empty_or_full():
    for i in range(50):
        assert 0 < random_mask(np.random.default_rng(i), 64).mean() <= 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_device_masks_follow_the_same_distribution(kind):
    host = np.array([KINDS[kind](np.random.default_rng(i), 96).mean() for i in range(400)])
    host = host[(host > 0) & (host <= 0.8)]
    device = DeviceMasks(96, torch.device("cpu"), 0, TRAINING_MIX).kind(kind, 400)
    assert set(device.unique().tolist()) == {0, 1}
    areas = device.mean(dim=(1, 2)).numpy()
    assert areas.mean() == pytest.approx(host.mean(), rel=0.12)
    assert areas.std() == pytest.approx(host.std(), rel=0.25)


def test_device_mixes_follow_their_weights_and_seeds():
    a, b = (DeviceMasks(64, torch.device("cpu"), 3, {"thin": 1.0, "objects": 3.0}) for _ in range(2))
    masks = a.draw(400)
    assert torch.equal(masks, b.draw(400)) and masks.shape == (400, 1, 64, 64)
    areas = masks.mean(dim=(1, 2, 3))
    assert areas.min() > 0 and areas.max() <= 0.8
    assert 0.6 < (areas > 0.06).float().mean() < 0.9
