import numpy as np

from inpaint.filling.choose import choose_engine, hole_depth
from inpaint.filling.engines import Variant, variants
from tests.conftest import scene


def box(height, width, top, left, bottom, right):
    hole = np.zeros((height, width), bool)
    hole[top:bottom, left:right] = True
    return hole


def test_depth_counts_from_known_pixels_not_from_the_edge():
    assert hole_depth(box(50, 50, 20, 20, 21, 21)) == 1
    assert abs(hole_depth(box(50, 50, 0, 0, 50, 10)) - 10) < 0.5


def test_a_hairline_needs_no_network_and_a_broad_hole_does():
    line, broad = box(200, 200, 100, 20, 104, 180), box(200, 200, 60, 60, 140, 140)
    first, second = (choose_engine(hole, hole_depth(hole), 260.0) for hole in (line, broad))
    assert (first.engine, first.guide) == ("detail", "diffusion") and "hairline" in first.reason
    assert (second.engine, second.guide) == ("detail", "network") and second.scores["known_share"] == 0.84
    deep = choose_engine(broad, 300.0, 260.0)
    assert "deeper than the network sees" in deep.reason and deep.scores["depth_to_reach"] > 1


def test_where_nothing_can_be_copied_the_network_fills():
    hole = np.random.default_rng(0).random((60, 60)) < 0.5
    choice = choose_engine(hole, hole_depth(hole), 260.0)
    assert choice.engine == "network" and "0 known patches" in choice.reason


def test_variants_begin_with_the_choice_and_never_repeat():
    for engine in ("network", "detail", "patch", "telea", "ns"):
        ways = variants(engine, "network", 3, 4)
        assert ways[0].engine == engine and len(set(ways)) == 4
    assert variants("detail", "diffusion", 3, 1) == [Variant("detail", 3, guide="diffusion")]


def test_the_report_gives_the_reason_and_a_hairline_runs_no_network(inpainter):
    photo, mask = scene(120, 160), box(120, 160, 50, 20, 54, 140)
    report = inpainter.fill(photo, mask).report
    (hole,) = report.holes
    assert hole.engine == "detail" and hole.network_reach is None and "hairline" in hole.reason and hole.scores
    assert "structure" not in report.seconds and report.seconds["diffusion"] > 0
