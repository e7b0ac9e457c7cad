import numpy as np
import pytest
from PIL import Image, ImageFilter

from inpaint.errors import MaskError, OptionError
from inpaint.photo.masks import dilate_mask, load_mask, picture_to_mask, resize_mask
from tests.conftest import scene

HOLE = np.zeros((60, 80), bool)
HOLE[20:38, 30:55] = True


def grey(values):
    return Image.fromarray(values.astype(np.uint8))


def painted(colour, background, hole=HOLE):
    return Image.fromarray(np.where(hole[..., None], colour, background).astype(np.uint8))


def layer(colour=(200, 20, 60), hole=HOLE):
    return Image.fromarray(np.dstack([np.where(hole[..., None], colour, 0), hole * 255]).astype(np.uint8))


WHITE, BLACK = grey(HOLE * 255), grey(~HOLE * 255)
KINDS = {
    "white on black": (WHITE, "white is the hole"), "black on white": (BLACK, "black is the hole"),
    "RGB": (WHITE.convert("RGB"), "white is the hole"), "1 bit": (WHITE.convert("1"), "white is the hole"),
    "1 bit inverted": (BLACK.convert("1"), "black is the hole"), "palette": (WHITE.convert("P"), "white is the hole"),
    "opaque RGBA": (WHITE.convert("RGBA"), "white is the hole"), "layer": (layer(), "what is painted is the hole"),
    "white layer": (layer((255, 255, 255)), "what is painted is the hole"),
    "black layer": (layer((0, 0, 0)), "what is painted is the hole"),
    "layer with a window": (layer((0, 0, 0), ~HOLE), "the transparent part is the hole"),
    "grey and alpha": (layer((255, 255, 255)).convert("LA"), "what is painted is the hole"),
    "red on black": (painted((255, 0, 0), 0), "painted in colour"),
    "blue on white": (painted((0, 0, 255), 255), "painted in colour"),
    "yellow on grey": (painted((250, 240, 10), 128), "painted in colour"),
    "values 0 and 1": (grey(HOLE * 1), "the values are 0 and 1, the higher counts as white"),
    "values 100 and 180": (grey(np.where(HOLE, 180, 100)), "the values are 100 and 180"),
    "values 200 and 255": (grey(np.where(HOLE, 200, 255)), "black is the hole (the values are 200 and 255"),
}  # fmt: skip


@pytest.mark.parametrize(("picture", "sentence"), KINDS.values(), ids=KINDS)
def test_masks_of_every_kind_agree(tmp_path, picture, sentence):
    notes = []
    assert np.array_equal(picture_to_mask(picture, notes=notes), HOLE)
    assert sentence in notes[0] and "9.38 % of the picture" in notes[0] and len(notes) == 1
    picture.save(tmp_path / "m.png")
    assert np.array_equal(load_mask(tmp_path / "m.png", (60, 80)), HOLE)


@pytest.mark.parametrize("values", [HOLE * 65535, HOLE * 255, HOLE * 1])
def test_16_bit_masks(tmp_path, values):
    Image.fromarray(values.astype(np.uint16)).save(tmp_path / "m.png")
    assert np.array_equal(load_mask(tmp_path / "m.png", (60, 80)), HOLE)


@pytest.mark.parametrize("source", [WHITE, BLACK, painted((255, 0, 0), 0), painted((30, 200, 40), 255)])
def test_jpeg_rims_are_cut_in_the_middle(tmp_path, source):
    source.save(tmp_path / "m.jpg", quality=60)
    mask = load_mask(tmp_path / "m.jpg", (60, 80))
    rim = dilate_mask(HOLE, 2) & dilate_mask(~HOLE, 2)
    assert (mask != HOLE).mean() < 0.01 and not (mask ^ HOLE)[~rim].any()


def test_soft_masks_are_cut_in_the_middle():
    soft = WHITE.filter(ImageFilter.GaussianBlur(2))
    assert np.array_equal(picture_to_mask(soft), np.array(soft) > 127)
    assert picture_to_mask(grey(np.array([[127, 128]]))).tolist() == [[False, True]]


AMBIGUOUS = {
    "60 % white": (grey((np.arange(80) % 10 < 6)[None].repeat(60, 0) * 255), "white over 60 %"),
    "white frame": (grey(~HOLE[18:40, 28:57] * 255), "may be the hole"),
    "photo": (Image.fromarray(scene(60, 80)), "colour picture"),
    "grey photo": (Image.fromarray(scene(60, 80)).convert("L"), "neither black nor white"),
    "two colours": (painted((255, 0, 0), (0, 0, 255)), "colour picture"),
    "red and white on black": (painted((255, 0, 0), np.where(HOLE[::-1, ::-1, None], 255, 0)), "colour picture"),
    "layer of black and white": (
        Image.fromarray(np.dstack([np.repeat(np.arange(80)[None].repeat(60, 0)[..., None] // 45 * 255, 3, 2),
                                   HOLE * 255]).astype(np.uint8)), "transparency and several colours"),
    "layer over 60 %": (layer(hole=(np.arange(80) % 10 < 6)[None].repeat(60, 0)), "is painted over 60 %"),
}  # fmt: skip


@pytest.mark.parametrize(("picture", "words"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_doubt_is_an_error_that_an_option_settles(tmp_path, picture, words):
    picture.save(tmp_path / "m.png")
    with pytest.raises(MaskError, match=words) as caught:
        load_mask(tmp_path / "m.png", (60, 80) if picture.size == (80, 60) else picture.size[::-1])
    assert "m.png: " in str(caught.value) and "--mask-is white, black, alpha or transparent" in str(caught.value)
    white, black = (picture_to_mask(picture, choice) for choice in ("white", "black"))
    assert white.any() or black.any()


def test_what_is_asked_for_is_taken():
    assert np.array_equal(picture_to_mask(WHITE, "black"), ~HOLE)
    assert np.array_equal(picture_to_mask(BLACK, "white"), ~HOLE)
    assert np.array_equal(picture_to_mask(painted((255, 0, 0), 0), "white"), HOLE)
    assert np.array_equal(picture_to_mask(painted((255, 255, 0), 255), "black"), HOLE)
    assert np.array_equal(picture_to_mask(layer(), "alpha"), HOLE)
    assert np.array_equal(picture_to_mask(layer(), "transparent"), ~HOLE)
    notes = []
    picture_to_mask(WHITE, "white", notes)
    assert not notes
    with pytest.raises(MaskError, match="the mask: has no transparency, which --mask-is alpha needs"):
        picture_to_mask(WHITE, "alpha")
    with pytest.raises(OptionError, match="mask-is must be one of"):
        picture_to_mask(WHITE, "grey")


def test_all_white_and_all_black_are_no_matter_of_doubt():
    assert picture_to_mask(grey(np.full((4, 4), 255))).all() and not picture_to_mask(grey(np.zeros((4, 4)))).any()


def test_resize_and_dilate_exactly():
    mask = np.array([[True, False]])
    assert resize_mask(mask, (2, 4)).tolist() == [[True, True, False, False]] * 2
    point = np.zeros((5, 5), bool)
    point[2, 2] = True
    assert dilate_mask(point, 1).sum() == 5 and point.sum() == 1


def test_another_size_of_the_same_aspect_is_resized_and_said(tmp_path):
    WHITE.save(tmp_path / "m.png")
    notes = []
    mask = load_mask(tmp_path / "m.png", (120, 160), notes)
    assert np.array_equal(mask, HOLE.repeat(2, 0).repeat(2, 1)) and "resized with nearest neighbour" in notes[1]
    with pytest.raises(MaskError, match="80x60 and the photo 60x80 pixels, shapes that do not match"):
        load_mask(tmp_path / "m.png", (80, 60))


def test_a_mask_drawn_over_the_stored_photo_is_turned_like_it(tmp_path):
    WHITE.save(tmp_path / "m.png")  # 80x60, as the photo is stored; upright it is 60x80
    for orientation, expected in ((5, HOLE.T), (6, np.rot90(HOLE, -1)), (7, HOLE.T[::-1, ::-1]), (8, np.rot90(HOLE))):
        notes = []
        mask = load_mask(tmp_path / "m.png", (80, 60), notes, orientation=orientation)
        assert np.array_equal(mask, expected) and "it was turned upright like the photo" in notes[1]
        double = load_mask(tmp_path / "m.png", (160, 120), orientation=orientation)
        assert np.array_equal(double, expected.repeat(2, 0).repeat(2, 1))
    upright = Image.fromarray(np.rot90(HOLE, -1).astype(np.uint8) * 255)
    upright.save(tmp_path / "u.png")
    assert np.array_equal(load_mask(tmp_path / "u.png", (80, 60), orientation=6), np.rot90(HOLE, -1))


def test_a_turned_photo_of_the_same_size_is_said(tmp_path):
    WHITE.save(tmp_path / "m.png")
    notes = []
    assert np.array_equal(load_mask(tmp_path / "m.png", (60, 80), notes, orientation=3), HOLE)
    assert "taken as drawn over the upright photo" in notes[1]


def test_a_masks_own_orientation_counts(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    WHITE.save(tmp_path / "m.png", exif=exif)
    assert np.array_equal(load_mask(tmp_path / "m.png", (80, 60), orientation=6), np.rot90(HOLE, -1))


def test_masks_of_several_pictures_are_said_or_refused(tmp_path):
    WHITE.convert("RGB").save(tmp_path / "a.png", save_all=True, append_images=[BLACK.convert("RGB")])
    WHITE.convert("RGB").save(tmp_path / "a.tif", save_all=True, append_images=[BLACK.convert("RGB")])
    notes = []
    assert np.array_equal(load_mask(tmp_path / "a.png", HOLE.shape, notes), HOLE)
    assert notes[0].startswith(f"{tmp_path / 'a.png'}: the file is animated: its first frame (of 2) is used")
    with pytest.raises(MaskError, match=r"a\.tif: has 2 pages, and only one can be filled"):
        load_mask(tmp_path / "a.tif", HOLE.shape)
