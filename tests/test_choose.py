import cv2
import numpy as np
import pytest

from inpaint.filling.choose import HAIRLINE, SHALLOW, choose_engine, hole_depth, network_suffices, texture
from inpaint.filling.engines import Variant, variants
from inpaint.filling.enlarge import MOST_HOLE_PIXELS
from inpaint.options import FillOptions
from tests.conftest import scene


def box(height, width, top, left, bottom, right):
    hole = np.zeros((height, width), bool)
    hole[top:bottom, left:right] = True
    return hole


def test_depth_counts_from_known_pixels_not_from_the_edge():
    assert hole_depth(box(50, 50, 20, 20, 21, 21)) == 1
    assert abs(hole_depth(box(50, 50, 0, 0, 50, 10)) - 10) < 0.5


def test_a_hairline_in_a_large_window_needs_no_network_and_other_holes_do():
    line, broad = box(200, 200, 100, 20, 104, 180), box(200, 200, 60, 60, 140, 140)
    photo = scene(200, 200).astype(np.float32)
    wide = scene(200, 520).astype(np.float32), box(200, 520, 100, 20, 104, 500)
    first = choose_engine(*wide, hole_depth(wide[1]), 260.0)
    assert (first.engine, first.guide) == ("detail", "diffusion") and "hairline" in first.reason
    second, third = (choose_engine(photo, hole, hole_depth(hole), 260.0) for hole in (line, broad))
    assert (second.engine, second.guide) == (third.engine, third.guide) == ("detail", "both")
    assert third.scores["known_share"] == 0.84 and "detail of patches" in third.reason
    deep = choose_engine(photo, broad, 300.0, 260.0)
    assert "deeper than the network sees" in deep.reason and deep.scores["depth_to_reach"] > 1


def test_the_network_is_shown_the_detail_of_patches_in_photos_of_its_size_and_given_most_of_it_in_larger_ones():
    photo = scene(200, 200).astype(np.float32)
    for hole in (box(200, 200, 100, 20, 104, 180), box(200, 200, 60, 60, 140, 140)):
        depth = min(SHALLOW, hole_depth(hole))
        choices = [choose_engine(photo, hole, depth, 260.0, alone=alone) for alone in (True, False)]
        assert [(c.engine, c.guide) for c in choices] == [("detail", "refined"), ("detail", "both")]
        assert choices[0].share == 0 and choices[1].share == 0.75
        assert "is shown the detail" in choices[0].reason and "most of the detail" in choices[1].reason
    wide = box(256, 256, 90, 90, 166, 166)
    assert choose_engine(bricks(), wide, hole_depth(wide), 260.0, alone=True).engine == "patch"
    assert network_suffices((1024, 700, 3), (512, 300)) and not network_suffices((1025, 700, 3), (512, 300))
    assert not network_suffices((1024, 700, 3), (513, 300))


@pytest.mark.parametrize(("grain", "reason"), [(0.0, "flat colour"), (1.0, "flat colour"), (4.0, "shown the detail")])
def test_flat_colour_is_copied_exactly_and_grain_goes_on(inpainter, grain, reason):
    photo = np.full((200, 240, 3), (250, 244, 236), np.float32)
    photo[:30, 60:180] = 40  # a headline
    photo = np.clip(photo + np.random.default_rng(0).normal(0, grain, photo.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((200, 240), bool)
    mask[90:150, 60:160] = True
    result = inpainter.fill(photo, mask)
    (hole,) = result.report.holes
    assert hole.engine == "detail" and reason in hole.reason
    if grain == 0:
        assert np.array_equal(result.photo, photo)


def test_where_nothing_can_be_copied_the_network_fills_unless_known_pixels_are_near():
    deep, scattered = ~box(60, 60, 0, 0, 50, 5), np.random.default_rng(0).random((60, 60)) < 0.5
    photo = scene(60, 60).astype(np.float32)
    choice = choose_engine(photo, deep, hole_depth(deep), 260.0)
    assert choice.engine == "network" and "known patches" in choice.reason
    for hole in (scattered, ~box(60, 60, 20, 20, 24, 24)):
        near = choose_engine(photo if hole is scattered else 0 * photo, hole, hole_depth(hole), 260.0)
        assert near.engine == "ns" and "0 known patches" in near.reason


def test_scattered_pixels_come_back_close(inpainter):
    photo = scene(160, 200)
    mask = np.random.default_rng(0).random((160, 200)) < 0.8
    filled, network = (inpainter.fill(photo, mask, FillOptions(engine=engine)).photo for engine in ("auto", "network"))
    errors = [np.abs(x[mask].astype(float) - photo[mask]).mean() for x in (filled, network)]
    assert errors[0] < 0.6 * errors[1]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_specks_are_filled_from_their_neighbours(inpainter, beside, deep):
    y, x = np.mgrid[:200, :240]
    photo = np.stack([60 + x / 2, 40 + y / 2, 200 - x / 3], axis=2).astype(np.uint8)
    photo = photo.astype(np.uint16) * 257 if deep else photo
    specks = np.zeros((200, 240), bool)
    specks[20:180:16, 20:100:16] = specks[100:103, 210:213] = True
    mask = specks.copy()
    mask[60:140, 130:200] |= beside
    result = inpainter.fill(photo, mask)
    error = np.abs(result.photo[specks].astype(float) - photo[specks]).max() / (257 if deep else 1)
    assert error <= 4
    assert np.array_equal(result.photo[~mask], photo[~mask])
    assert all("specks of at most 9 pixels" in hole.reason for hole in result.report.holes)
    assert any(hole.engine != "ns" for hole in result.report.holes) == beside
    named = inpainter.fill(photo, mask, FillOptions(engine="telea")).report.holes[0]
    assert "specks" not in named.reason


def bricks(side=256):
    y, x = np.mgrid[:side, :side]
    joint = (y % 24 < 3) | ((x + 24 * (y // 24 % 2)) % 48 < 3)
    grain = np.random.default_rng(0).normal(0, 6, (side, side))
    return np.repeat((np.where(joint, 190, 90) + grain)[..., None], 3, axis=2).clip(0, 255).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "engine"),
    [
        (lambda photo: photo, "patch"),
        (lambda photo: np.concatenate([photo[:, :128], 0.5 * photo[:, 128:]], axis=1), "detail"),  # two colours
        (lambda photo: np.concatenate([photo[:128], photo[128:].mean() + 0 * photo[128:]]), "detail"),  # one half flat
        (lambda photo: 128 + 0.05 * (photo - 128), "detail"),  # no contrast
    ],
)
def test_patches_alone_go_on_an_even_texture(change, engine):
    hole = box(256, 256, 90, 90, 166, 166)
    choice = choose_engine(change(bricks()), hole, hole_depth(hole), 260.0)
    assert choice.engine == engine and ("one texture" in choice.reason) == (engine == "patch")


def test_a_texture_is_not_looked_for_where_little_is_known():
    hole = ~box(256, 256, 0, 0, 256, 90)
    assert texture(bricks(), hole) is None and texture(bricks(), ~hole) is not None


def test_the_joints_of_bricks_go_on(inpainter):
    photo, mask = bricks().astype(np.uint8), box(256, 256, 90, 90, 166, 166)

    def joints(engine):
        filled = inpainter.fill(photo, mask, FillOptions(engine=engine)).photo[90:166, 90:166]
        return float((filled > 150).mean())

    truth = float((photo[90:166, 90:166] > 150).mean())
    assert abs(joints("auto") - truth) < 0.5 * truth


def test_variants_begin_with_the_choice_and_never_repeat():
    for engine in ("network", "detail", "patch", "telea", "ns"):
        ways = variants(engine, "network", 3, 4)
        assert ways[0].engine == engine and len(set(ways)) == 4
    assert variants("detail", "diffusion", 3, 1) == [Variant("detail", 3, guide="diffusion")]


def test_the_report_gives_the_reason_and_a_hairline_runs_no_network(inpainter):
    photo, mask = scene(120, 1100), box(120, 1100, 50, 20, 54, 420)
    assert "hairline" not in inpainter.fill(photo, mask).report.holes[0].reason  # its window is one of full size
    report = inpainter.fill(photo, mask, FillOptions(context=4)).report
    (hole,) = report.holes
    assert hole.engine == "detail" and hole.network_reach is None and "hairline" in hole.reason and hole.scores
    assert "structure" not in report.seconds and report.seconds["diffusion"] > 0


@pytest.mark.parametrize("engine", ["auto", "ns"])
def test_pixels_hidden_at_random_are_told_by_their_neighbours_in_large_windows_too(inpainter, engine):
    photo = cv2.GaussianBlur(scene(640, 640), (0, 0), 1.5)
    mask = np.random.default_rng(0).random((640, 640)) < 0.8
    assert mask.sum() > MOST_HOLE_PIXELS
    result = inpainter.fill(photo, mask, FillOptions(engine=engine))
    assert {(hole.engine, hole.shrunk) for hole in result.report.holes} == {("ns", 1)}
    assert max(hole.hole_depth for hole in result.report.holes) < HAIRLINE
    assert np.abs(result.photo.astype(int) - photo)[mask].mean() < 2
