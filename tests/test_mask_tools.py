import cv2
import numpy as np
import pytest

from benchmarks.mask_scores import overlap
from benchmarks.mask_truth import Case, blob_cutout, loose_box, object_case, scratch_case
from inpaint import masking
from inpaint.errors import MaskError, OptionError, PhotoError
from inpaint.masking.shadow import shadow_mask
from tests.conftest import scene


def photo(seed=0, height=160, width=200):
    """A smooth scene with soft grain, different for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 210, (6, 8, 3)).astype(np.float32)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 4, (height, width, 3))
    return np.clip(soft, 0, 255).astype(np.uint8)


def disc(shape, centre, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


BLOCK = np.zeros((40, 60), bool)
BLOCK[10:20, 15:35] = True


def test_edits_are_exact():
    assert np.array_equal(masking.grow(BLOCK, 3).any(axis=0), (np.arange(60) >= 12) & (np.arange(60) < 38))
    assert masking.grow(BLOCK, 3).sum() == 10 * 20 + 2 * 3 * 10 + 2 * 3 * 20 + 4 * 4  # rounded corners
    assert np.array_equal(masking.shrink(BLOCK, 2), cv2.erode(BLOCK.astype(np.uint8), np.ones((5, 5))).astype(bool))
    assert masking.shrink(np.ones((5, 5), bool), 2).all()  # the border is no outside
    assert np.array_equal(masking.invert(BLOCK), ~BLOCK)
    ring = BLOCK.copy()
    ring[13:17, 20:30] = False
    assert np.array_equal(masking.fill_holes(ring), BLOCK) and np.array_equal(masking.fill_holes(ring, 39), ring)
    open_ring = ring.copy()
    open_ring[13:17, 30:] = False
    assert np.array_equal(masking.fill_holes(open_ring), open_ring)
    speck = BLOCK.copy()
    speck[30, 50] = True
    assert np.array_equal(masking.remove_specks(speck, 5), BLOCK) and not masking.smooth(speck, 3)[25:].any()
    assert masking.smooth(BLOCK, 3).sum() == pytest.approx(BLOCK.sum(), rel=0.1)


def test_combining_follows_the_operation():
    other = np.roll(BLOCK, 5, axis=1)
    assert masking.combine(BLOCK, other).sum() == 250
    assert masking.combine(BLOCK, other, operation="intersection").sum() == 150
    assert np.array_equal(masking.combine(BLOCK, other, operation="difference"), BLOCK & ~other)
    with pytest.raises(MaskError, match="60x40, 9x9"):
        masking.combine(BLOCK, np.zeros((9, 9), bool))
    with pytest.raises(OptionError, match="operation must be one of"):
        masking.combine(BLOCK, other, operation="xor")
    with pytest.raises(OptionError, match="grow must be between 0"):
        masking.grow(BLOCK, -1)


@pytest.mark.parametrize(("words", "box"), [
    ("bottom-right 18%x6%", (82, 94, 18, 6)), ("top 50x10", (25, 0, 50, 10)), ("centre 20%x20%", (40, 40, 20, 20)),
    ("top-left 10x20+5+7", (5, 7, 10, 20)), ("box 10,20%,30,40%", (10, 20, 30, 40)), ("all", (0, 0, 100, 100)),
    ("left 10x100%", (0, 0, 10, 100)), ("bottom-right 10x10+5+5", (85, 85, 10, 10)),
])  # fmt: skip
def test_regions_say_their_box(words, box):
    mask = masking.region_mask((100, 100), words)
    ys, xs = np.nonzero(mask)
    assert (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1) == box and mask.sum() == box[2] * box[3]


def test_polygons_colours_and_unions():
    triangle = masking.region_mask((100, 100), "polygon 0,0 50%,0 0,50")
    assert triangle[5, 5] and not triangle[45, 45] and triangle.sum() == pytest.approx(1300, rel=0.05)
    assert all(masking.region_mask((99, side), "centre 9x9").sum() == 81 for side in range(90, 100))
    both = masking.region_mask((100, 100), "top 10x10; bottom 10x10")
    assert both.sum() == 200
    stamped = np.full((60, 80, 3), 90, np.uint8)
    stamped[50:55, 60:70] = (255, 140, 40)
    stamped[5:10, 5:10] = (255, 140, 40)
    found = masking.region_mask((60, 80), "bottom-right 50%x50% colour #ff8c28~40", stamped)
    assert np.array_equal(found, cv2.dilate((stamped[..., 0] > 200).astype(np.uint8) * (np.mgrid[:60, :80][0] > 30),
                                            np.ones((3, 3))).astype(bool))  # fmt: skip


@pytest.mark.parametrize("box", [
    (0, 0, 10, 10), (3, 4, 9, 7), (0.5, 0.5, 9, 9), (2.4, 3.6, 5.2, 4.3), (-5, 90, 20, 30), (0, 0, 100, 100),
])  # fmt: skip
@pytest.mark.parametrize("turns", [False, True])
def test_a_rectangle_is_the_same_as_box_and_as_polygon(box, turns):
    x, y, w, h = box
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)][:: -1 if turns else 1]
    told = " ".join(f"{a:g},{b:g}" for a, b in corners)
    expected = masking.region_mask((100, 100), "box " + ",".join(f"{value:g}" for value in box))
    assert np.array_equal(masking.region_mask((100, 100), f"polygon {told}"), expected)


def test_a_polygon_holds_the_pixels_whose_middle_lies_in_it():
    y, x = np.mgrid[:100, :100] + 0.5
    triangle = masking.region_mask((100, 100), "polygon 10.2,5.3 90.2,5.3 10.2,85.3")
    assert np.array_equal(triangle, (x > 10.2) & (y > 5.3) & (x + y < 95.5))
    bow_tie = masking.region_mask((100, 100), "polygon 0,0 100,100.2 100,0.2 0,100")
    falling, rising = 1.002 * x, 100 - 0.998 * x
    assert np.array_equal(bow_tie, (np.minimum(falling, rising) < y) & (y < np.maximum(falling, rising)))
    with pytest.raises(OptionError, match="the polygon covers the middle of no pixel of the photo of 100x100 pixels"):
        masking.region_mask((100, 100), "polygon 200,0 300,0 300,50")


@pytest.mark.parametrize(("words", "why"), [
    ("bottom-rihgt 18%x6%", "not understood"), ("box 1,2,3", "X,Y,W,H"), ("box 0,0,0,5", "must have a width"),
    ("box 200,0,5,5", "outside the photo of 100x100"), ("polygon 1,1 2,2", "three corners"),
    ("box a,0,5,5", "number of pixels"), ("colour #12", "names a colour"), ("top nanx5", "not understood"),
])  # fmt: skip
def test_regions_that_make_no_sense_are_refused(words, why):
    with pytest.raises(OptionError, match=why):
        masking.region_mask((100, 100), words)


@pytest.mark.parametrize("kind", ["box", "clicks", "scribble"])
def test_an_object_is_found_by_what_points_at_it(kind):
    picture = photo()
    truth = disc((160, 200), (110, 80), 36)
    picture[truth] = np.clip(np.random.default_rng(1).normal((190, 40, 60), 9, (truth.sum(), 3)), 0, 255)
    told = {"box": {"box": (68, 40, 84, 80)}, "clicks": {"clicks": [(110, 80)], "minus": [(10, 10)]},
            "scribble": {"scribble": disc((160, 200), (108, 82), 20)}}[kind]  # fmt: skip
    before = picture.copy()
    found = masking.object_mask(picture, engine="embedded", **told)
    assert overlap(found, truth) > 0.93 and np.array_equal(picture, before)


@pytest.mark.parametrize("at", [(0.5, 0.5), (0.3, 0.4), (0.7, 0.6), (0.2, 0.2)])
def test_a_small_scribble_on_a_flat_thing_finds_all_of_it(at):
    picture, thing = np.full((160, 200, 3), 200, np.uint8), np.zeros((160, 200), bool)
    thing[30:130, 40:160] = True
    picture[thing] = (200, 30, 30)
    scribble = np.zeros_like(thing)
    x, y = round(40 + at[0] * 120), round(30 + at[1] * 100)
    scribble[y - 3 : y + 4, x - 9 : x + 10] = True
    assert overlap(masking.object_mask(picture, scribble=scribble, engine="embedded"), thing) > 0.8


def test_a_minus_click_takes_something_away():
    picture = np.full((160, 240, 3), 200, np.uint8)
    left, right = disc((160, 240), (80, 80), 34), disc((160, 240), (160, 80), 34)
    picture[left], picture[right] = (30, 60, 190), (40, 150, 50)
    clicks = [(80, 80), (160, 80)]
    both = masking.object_mask(picture, clicks, box=(40, 40, 160, 80), engine="embedded")
    one = masking.object_mask(picture, minus=[(160, 80)], clicks=[(80, 80)], box=(40, 40, 160, 80), engine="embedded")
    assert (both & right).sum() > 0.9 * right.sum()
    assert (one & right).sum() < 0.1 * right.sum() and (one & left).sum() > 0.9 * left.sum()


def test_pasted_objects_of_any_shape_reach_the_bar():
    rng = np.random.default_rng(3)
    scores = []
    for k in range(6):
        case = object_case(rng, photo(k, 256, 256), blob_cutout(rng, scene(256, 256)))
        scores.append(overlap(masking.object_mask(case.photo, box=case.box, engine="embedded"), case.truth))
    assert np.mean(scores) > 0.8


def test_a_click_means_what_has_edges_and_what_its_boxes_agree_on():
    from inpaint.masking.object import _standing, _Try

    picture, thing, box = photo(3), disc((160, 200), (110, 80), 36), (60, 30, 100, 100)
    picture[thing] = (200, 40, 60)
    half = thing & (np.mgrid[:160, :200][1] > 110)  # its left side has no edge
    whole, part = _Try(box, thing, 0.9, 0.9), _Try(box, half, 0.9, 0.9)
    assert np.argmax(_standing(picture, [part, whole])) == 1
    assert np.argmax(_standing(np.full_like(picture, 90) + photo(3) // 9, [part, whole, whole])) == 1
    sure = _standing(picture, [_Try(box, half, 0.99, 0.99), _Try(box, thing, 0.3, 0.3)])
    assert np.argmax(sure) == 0 and sure.shape == (2,)


@pytest.mark.parametrize(("told", "error", "why"), [
    ({"clicks": [(500, 5)]}, OptionError, "lies outside the photo of 200x160"),
    ({"clicks": [(-1, 5)]}, OptionError, "lies outside"), ({}, OptionError, "say where the object is"),
    ({"minus": [(5, 5)]}, OptionError, "say where the object is"), ({"box": (5, 5, 0, 9)}, OptionError, "a width and"),
    ({"box": (300, 5, 10, 9)}, OptionError, "outside"), ({"clicks": [(5, 5, 7)]}, OptionError, "label is 1"),
    ({"box": (5, float("nan"), 9, 9)}, OptionError, "must be finite, got nan"),
    ({"scribble": np.zeros((160, 200), bool)}, MaskError, "scribble is empty"),
    ({"scribble": np.ones((9, 9), bool)}, MaskError, "scribble is 9x9 pixels, the photo 200x160"),
    ({"clicks": [(5, 5)], "engine": "magic"}, OptionError, "engine must be"),
])  # fmt: skip
def test_what_points_at_nothing_is_refused(told, error, why):
    with pytest.raises(error, match=why):
        masking.object_mask(photo(), **told)


def test_a_cast_shadow_beneath_the_object_is_taken():
    picture = np.full((200, 240, 3), 170, np.uint8) + np.random.default_rng(0).integers(0, 6, (200, 240, 3), np.uint8)
    body = disc((200, 240), (120, 80), 40)
    dark = cv2.GaussianBlur(
        cv2.ellipse(np.zeros((200, 240), np.float32), ((135, 122), (110, 26), 0), 1, -1), (0, 0), 3) * 0.5  # fmt: skip
    picture = (picture * (1 - dark[..., None])).astype(np.uint8)
    picture[body] = (40, 60, 160)
    shadow = (dark > 0.12) & ~body
    found = shadow_mask(picture, body)
    assert (found & shadow).sum() > 0.65 * shadow.sum() and (found & shadow).sum() > 0.55 * found.sum()
    assert not (found & body).any()
    with_shadow = masking.object_mask(picture, box=(75, 35, 90, 90), engine="embedded", shadow=True)
    assert (with_shadow & shadow).sum() > 0.65 * shadow.sum()
    bare = np.full((200, 240, 3), 170, np.uint8)
    bare[body] = (40, 60, 160)
    assert not shadow_mask(bare, body).any()


def test_other_dark_ground_at_an_object_is_no_shadow():
    picture = np.full((200, 240, 3), (170, 160, 150), np.uint8)
    picture += np.random.default_rng(0).integers(0, 6, picture.shape, np.uint8)
    body = disc((200, 240), (120, 80), 40)
    for colour in ((110, 40, 40), (40, 90, 40)):  # a carpet of another colour
        carpet = picture.copy()
        carpet[112:150, 60:200] = colour
        carpet[body] = (40, 60, 160)
        assert not shadow_mask(carpet, body).any()


def test_scratches_are_found_and_a_clean_photo_is_left_alone():
    scores = []
    for k in range(3):
        case = scratch_case(np.random.default_rng(k), photo(k, 384, 384))
        found = masking.scratch_mask(case.photo)
        scores.append(2 * (found & case.truth).sum() / (found.sum() + case.truth.sum()))
        assert masking.scratch_mask(case.photo, 0.0).sum() < masking.scratch_mask(case.photo, 1.0).sum()
    assert np.mean(scores) > 0.7
    assert masking.scratch_mask(photo(9, 384, 384)).mean() < 0.002
    lined = photo(2, 200, 200)
    lined[:, 100:102], lined[50:52] = 255, 0
    light, dark = masking.scratch_mask(lined, dark=False), masking.scratch_mask(lined, light=False)
    assert light[:45, 100].mean() > 0.9 and not light[50, 110:].any()
    assert dark[50, :95].mean() > 0.9 and not dark[60:, 100].any()
    with pytest.raises(OptionError, match="sensitivity must be between 0 and 1"):
        masking.scratch_mask(lined, 1.5)


def marked(count, shape=(120, 160), opacity=0.4, first=0, tone=255):
    cover = np.zeros(shape, np.uint8)
    cv2.circle(cover, (100, 60), 18, 255, 6, cv2.LINE_AA)
    cv2.line(cover, (82, 60), (118, 60), 255, 6, cv2.LINE_AA)
    share = opacity * cover[..., None] / np.float32(255)
    photos = [photo(first + k, *shape) * (1 - share) + np.array(tone) * share for k in range(count)]
    return [p.round().astype(np.uint8) for p in photos], cover > 127


def test_a_repeated_mark_is_found_from_thirty_photos():
    photos, truth = marked(30)
    assert overlap(masking.repeated_mask(photos), truth) > 0.8
    assert not masking.repeated_mask([photo(k, 120, 160) for k in range(30)]).any()


@pytest.mark.parametrize("tone", [(0, 0, 0), (128, 128, 128), (220, 30, 40)])
def test_dark_grey_and_coloured_marks_are_found_wholly(tone):
    photos, truth = marked(30, tone=tone)
    assert overlap(masking.repeated_mask(photos), truth) > 0.8


def test_the_mask_of_a_repeated_mark_widens_by_what_jpeg_left_around_it():
    def left(mask, quality):
        """How much the mark still changes the pixels just outside a mask, in grey levels."""
        pairs = []
        for photos in (marked(30)[0], marked(30, opacity=0.0)[0]):
            files = (cv2.imencode(".jpg", p[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))[1] for p in photos)
            pairs.append([cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(float) for file in files])
        found = masking.repeated_mask([p.astype(np.uint8) for p in pairs[0]]) if mask is None else mask
        rim = cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~found
        return np.abs(np.subtract(*pairs).mean(axis=0))[rim].mean()

    _, truth = marked(30)
    assert left(None, 75) < 0.4 * left(truth, 75)


def test_photos_of_several_sizes_are_grouped():
    large, _ = marked(12, opacity=0.9)
    small, _ = marked(9, (100, 150), 0.9, 50)
    masks, left_out = masking.repeated_masks([*large, *small, photo(7, 40, 50)])
    assert {s: m.shape for s, m in masks.items()} == {s: s for s in ((120, 160), (100, 150))}
    assert left_out == {(40, 50): 1} and all(m.any() for m in masks.values())
    with pytest.raises(MaskError, match="several sizes"):
        masking.repeated_mask([*large, *small])
    with pytest.raises(MaskError, match=r"8 of one size or more, got 7 of 160x120"):
        masking.repeated_mask(large[:7])
    with pytest.raises(MaskError, match="no photos"):
        masking.repeated_mask([])


def test_silhouettes_are_cut_kept_and_drawn(tmp_path):
    photos = []
    for k in range(6):
        picture = photo(k)
        picture[disc((160, 200), (100, 80), 40)] = (220, 30, 40)
        photos.append(picture)
    shapes = masking.cut_silhouettes(photos, tries=12)
    assert shapes and all(max(s.shape) == 96 for s in shapes)
    assert any(s.mean() == pytest.approx(np.pi / 4, abs=0.06) for s in shapes)  # the disc itself
    masking.Silhouettes(shapes).save(tmp_path / "s.npz")
    loaded = masking.Silhouettes.load(tmp_path / "s.npz")
    assert all(np.array_equal(a, b) for a, b in zip(loaded.shapes, shapes, strict=True))
    a, b = (loaded(np.random.default_rng(4), 128) for _ in range(2))
    assert np.array_equal(a, b) and a.shape == (128, 128) and 0.005 < a.mean() < 0.3
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(MaskError, match=r"bad\.npz: holds no silhouettes"):
        masking.Silhouettes.load(tmp_path / "bad.npz")
    with pytest.raises(MaskError, match="no silhouettes"):
        masking.Silhouettes([])


def test_overlays_change_nothing_outside_the_mask():
    picture = photo(1, 40, 60)
    shown = masking.overlay(picture, BLOCK)
    assert np.array_equal(shown[~BLOCK], picture[~BLOCK]) and (shown[BLOCK] != picture[BLOCK]).any(axis=1).all()
    assert np.array_equal(masking.overlay(picture.astype(np.uint16) << 8, BLOCK), shown)
    with pytest.raises(MaskError, match="the mask is 60x40 pixels, the photo 200x160"):
        masking.overlay(photo(), BLOCK)
    with pytest.raises(PhotoError, match="float64"):
        masking.scratch_mask(np.zeros((9, 9, 3)))


def test_a_loose_box_holds_its_object():
    case = Case(photo(), disc((160, 200), (100, 80), 30))
    x, y, w, h = loose_box(np.random.default_rng(0), case.truth)
    assert case.truth[y : y + h, x : x + w].sum() == case.truth.sum()


@pytest.mark.parametrize(("rule", "text"), [
    ({"kind": ["text"]}, r"kind is one of .*, got \['text'\]"), ({"kind": {}}, "kind is one of"),
    (1, "is text, an object, or a list"), ([1], "is text, an object, or a list"), ([["kind"]], "or a list of objects"),
    ({"kind": "text", "sensitivity": 10**400}, "sensitivity must be a number"),
    ({"kind": "text", "dilate": [1]}, "dilate must be a number"), ({"kind": "text", "within": 5}, "must be a box"),
    ({"kind": "object", "box": None}, "box must be a box"), ({"kind": "object", "clicks": [1]}, "a list of points"),
    ({"kind": "object", "clicks": [[10**400, 1]]}, "clicks must be a number"),
])  # fmt: skip
def test_rules_of_wrong_kinds_of_values_are_refused_in_words(rule, text):
    with pytest.raises(OptionError, match=text):
        masking.parse_rule(rule)
