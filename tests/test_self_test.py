import cv2
import numpy as np
import pytest

from inpaint.errors import Cancelled
from inpaint.filling.choose import GRAIN, SHALLOW, SHARES, WORSE, choose_engine, grain, hole_depth
from inpaint.filling.engines import WindowEngines
from inpaint.filling.progress import Progress
from inpaint.filling.self_test import SIZE, contrast_errors, find_stand_in, fine_contrast
from inpaint.options import FillOptions
from tests.conftest import scene


def ellipse(height, width, middle, axes):
    y, x = np.mgrid[:height, :width]
    return ((y - middle[0]) / axes[0]) ** 2 + ((x - middle[1]) / axes[1]) ** 2 <= 1


def smooth(height, width, seed=0):
    """The scene without its grain."""
    return cv2.GaussianBlur(scene(height, width, seed), (0, 0), 3).astype(np.float32)


def grainy(height, width, grain, seed=0):
    noise = np.random.default_rng(seed).normal(0, grain, (height, width, 3))
    return np.clip(smooth(height, width, seed) + noise, 0, 255).astype(np.uint8)


HOLE = ellipse(200, 260, (100, 90), (50, 40))


@pytest.mark.parametrize("hole", [HOLE, HOLE[::-1, ::-1], ellipse(700, 900, (300, 400), (160, 200))])
def test_a_stand_in_has_the_holes_shape_and_lies_beside_it_on_known_pixels(hole):
    stand_in = find_stand_in(hole)
    judged = np.zeros_like(hole)
    judged[stand_in.crop] = stand_in.judged
    assert judged.any() and not (judged & hole).any()
    assert np.array_equal(stand_in.hole, (hole | judged)[stand_in.crop])
    for axis in (0, 1):
        ours, theirs = (np.ptp(np.flatnonzero(m.any(axis=1 - axis))) + 1 for m in (judged, hole))
        assert abs(ours - SIZE * theirs) <= 3
    assert abs(judged.sum() / (SIZE**2 * hole.sum()) - 1) < 0.1
    middles = [np.argwhere(m).mean(axis=0) for m in (judged, hole)]
    assert np.linalg.norm(middles[0] - middles[1]) < 0.75 * np.ptp(np.argwhere(hole), axis=0).max() + 8
    known = ~stand_in.hole
    assert known.mean() > 0.3 and stand_in.hole.size < hole.size / 2


@pytest.mark.parametrize(
    "hole", [np.zeros((90, 90), bool), ellipse(90, 90, (45, 45), (5, 5)), ~ellipse(90, 90, (10, 10), (9, 9))]
)
def test_there_is_no_stand_in_where_none_fits_or_it_tells_nothing(hole):
    assert find_stand_in(hole) is None


def test_what_counts_is_fine_contrast_and_neither_colour_nor_place():
    photo = grainy(200, 260, 12).astype(np.float32)
    stand_in = find_stand_in(HOLE)
    truth = photo[stand_in.crop]
    other_grain = grainy(200, 260, 12, seed=1).astype(np.float32)[stand_in.crop] + 20
    smooth = np.broadcast_to(truth.mean(axis=(0, 1)), truth.shape)
    rough = truth + np.random.default_rng(1).normal(0, 30, truth.shape).astype(np.float32)
    fills = {"truth": truth, "other grain": other_grain, "smooth": smooth, "rough": rough}
    errors = contrast_errors(truth, stand_in, fills)
    assert errors["truth"] == 0
    assert errors["other grain"] < 0.5 * min(errors["smooth"], errors["rough"])
    assert fine_contrast(np.full((20, 20, 3), 7, np.float32)).max() < 1e-5


@pytest.mark.parametrize("strength", [0, 12])
def test_grain_is_tested_the_report_says_what_came_of_it_and_contrast_goes_on(inpainter, strength):
    photo = grainy(200, 260, strength)
    result = inpainter.fill(photo, HOLE)
    (hole,) = result.report.holes
    assert hole.engine == "detail"
    assert (hole.scores["grain"] >= GRAIN) == ("self_test_half" in hole.scores) == (strength > 0)
    assert hole.reason.startswith("the network, which is shown the detail of patches where both agree")
    if strength:
        worse = hole.scores["self_test_half"] >= WORSE * hole.scores["self_test_none"]
        assert ("a self-test was worse" if worse else "for the grain") in hole.reason
    else:
        assert "half" not in hole.reason
    inside = ellipse(200, 260, (100, 90), (40, 30))
    filled, truth = (fine_contrast(p.astype(np.float32))[inside].mean() for p in (result.photo, photo))
    assert abs(filled - truth) < 0.15 * truth + 0.1


def test_the_test_runs_in_part_of_the_time_that_the_report_gives(inpainter):
    report = inpainter.fill(grainy(200, 260, 12), HOLE).report
    assert 0 < report.seconds["self-test"] < report.seconds["total"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strength", [0, 3, 8, 20])
def test_grain_is_measured_from_known_pixels(strength, channels):
    noise = np.random.default_rng(0).normal(0, strength, (200, 260, channels)).astype(np.float32)
    photo = smooth(200, 260) + noise
    photo[HOLE] = 255 * np.random.default_rng(1).random(photo[HOLE].shape)
    assert 0.75 * strength - 0.1 < grain(photo, HOLE) < 1.05 * strength + 0.5
    assert grain(photo, np.ones_like(HOLE)) == 0


def test_a_named_engine_is_not_tested(inpainter):
    for engine in ("network", "detail"):
        report = inpainter.fill(grainy(200, 260, 12), HOLE, FillOptions(engine=engine)).report
        assert "self-test" not in report.seconds and not any("self_test" in s for s in report.holes[0].scores)


@pytest.mark.parametrize(
    ("errors", "share", "reason"),
    [
        ({"none": 0.4, "half": 0.4 * WORSE - 0.01}, 0.5, "half of it added for the grain"),
        ({"none": 0.4, "half": 0.4 * WORSE}, 0.0, "with half of it added a self-test was worse"),
        (None, 0.5, "half of it added for the grain"),
    ],
)
def test_a_much_larger_error_decides(errors, share, reason):
    asked = []

    def test(shares):
        asked.append(shares)
        return errors

    photo = grainy(200, 260, 12).astype(np.float32)
    choice = choose_engine(photo, HOLE, hole_depth(HOLE), 260.0, alone=True, test=test)
    assert (choice.engine, choice.guide, choice.share) == ("detail", "refined", share)
    assert choice.reason.endswith(reason)
    assert ("self_test_half" in choice.scores) == (errors is not None)
    assert asked == [{"none": 0.0, "half": 0.5}]


def test_photos_without_grain_shallow_holes_and_large_photos_are_not_tested():
    def never(shares):
        raise AssertionError("tested")

    photo, grains = (grainy(200, 260, strength).astype(np.float32) for strength in (0, 12))
    for picture, depth in ((photo, hole_depth(HOLE)), (grains, SHALLOW)):
        choice = choose_engine(picture, HOLE, depth, 260.0, alone=True, test=never)
        assert (choice.guide, choice.share) == ("refined", 0.0)
    large = choose_engine(grains, HOLE, hole_depth(HOLE), 260.0, alone=False, test=never)
    assert large.guide == "both" and large.share == 0.75


def test_it_is_the_same_every_time_and_can_be_cancelled(inpainter):
    photo = grainy(200, 260, 12).astype(np.float32)

    def tested():
        return WindowEngines(inpainter.network, inpainter.device, photo, HOLE).self_test(SHARES)

    assert tested() == tested()
    told = []

    def stop(stage, done):
        told.append(stage)
        return False

    engines = WindowEngines(inpainter.network, inpainter.device, photo, HOLE)
    with pytest.raises(Cancelled):
        engines.self_test(SHARES, progress=Progress(stop))
    assert told == ["structure"]
