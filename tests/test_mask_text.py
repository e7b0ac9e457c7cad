import sys
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from benchmarks.mask_truth import text_case, watermark_case
from inpaint import cli, masking
from inpaint.errors import InpaintError, OptionError
from inpaint.masking import text
from tests.batches import folders
from tests.test_mask_tools import photo

reads = pytest.mark.skipif(find_spec("rapidocr") is None, reason="RapidOCR is not installed (pip install rapidocr)")


def stamped(words="2003-11-05 14:32", size=26, colour=(255, 150, 40)):
    picture = Image.fromarray(photo(3, 300, 400))
    cover = Image.new("L", picture.size, 0)
    ImageDraw.Draw(cover).text((120, 220), words, 255, ImageFont.load_default(size))
    picture.paste(colour, mask=cover)
    return np.array(picture), np.array(cover) > 64


@reads
def test_a_date_stamp_is_found_down_to_its_strokes():
    picture, strokes = stamped()
    before = picture.copy()
    found = masking.text_mask(picture)
    assert (found & strokes).sum() > 0.97 * strokes.sum() and found.sum() < 2.5 * strokes.sum()
    assert np.array_equal(picture, before)
    boxes = masking.text_mask(picture, boxes=True)
    assert boxes.sum() > 1.3 * found.sum() and (boxes & strokes).sum() > 0.97 * strokes.sum()
    lines, confidence = masking.text_lines(picture)
    assert lines.shape[1:] == (4, 2) and (confidence >= 0.4).all() and (np.diff(confidence) <= 0).all()


@reads
def test_drawn_text_reaches_the_bar_with_any_look():
    hit = strokes = area = 0
    for seed in range(5):
        case = text_case(np.random.default_rng(seed), photo(seed, 400, 400), [])
        found = masking.text_mask(case.photo)
        hit, strokes, area = hit + (found & case.truth).sum(), strokes + case.truth.sum(), area + found.sum()
    assert hit >= 0.95 * strokes and area <= 2.5 * strokes


@reads
def test_a_tiled_watermark_is_found_where_the_detector_misses_it():
    case = watermark_case(np.random.default_rng(2), photo(5, 400, 400), [])
    with_repeats, without = masking.text_mask(case.photo), masking.text_mask(case.photo, repeats=False)
    assert (with_repeats & case.truth).sum() > 0.9 * case.truth.sum() and with_repeats.sum() < 3 * case.truth.sum()
    assert (with_repeats & case.truth).sum() >= (without & case.truth).sum()


@reads
def test_no_text_is_nothing_found_and_exit_3(tmp_path, capsys):
    Image.fromarray(photo(4, 200, 300)).save(tmp_path / "p.png")
    assert not masking.text_mask(photo(4, 200, 300)).any()
    assert cli.main(["mask", "text", str(tmp_path / "p.png"), "-o", str(tmp_path / "m.png")]) == 3
    assert "nothing found" in capsys.readouterr().err and not (tmp_path / "m.png").exists()


@reads
def test_text_from_the_command_line(tmp_path):
    picture, strokes = stamped()
    Image.fromarray(picture).save(tmp_path / "p.png")
    args = ["mask", "text", str(tmp_path / "p.png"), "-o", str(tmp_path / "m.png"), "--dilate", "2"]
    assert cli.main([*args, "--within", "0,50%,100%,50%", "--preview", str(tmp_path / "v.jpg")]) == 0
    mask = np.array(Image.open(tmp_path / "m.png").convert("L")) > 127
    assert (mask & strokes).sum() > 0.97 * strokes.sum() and not mask[:150].any()
    assert Image.open(tmp_path / "v.jpg").size == (400, 300)


def test_a_missing_detector_is_one_sentence_with_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(text, "find_spec", lambda name: None)
    text._detector.cache_clear()
    with pytest.raises(InpaintError, match="pip install --no-deps rapidocr"):
        masking.text_mask(photo())
    Image.fromarray(photo()).save(tmp_path / "p.png")
    assert cli.main(["mask", "text", str(tmp_path / "p.png"), "-o", str(tmp_path / "m.png")]) == 1
    assert cli.main(["mask", "text", *[str(tmp_path / "p.png")] * 2, "-o", str(tmp_path / "masks")]) == 1
    assert capsys.readouterr().err.strip().count("\n") == 1


def test_a_detector_without_its_own_packages_is_the_same_sentence(monkeypatch):
    monkeypatch.setattr(text, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "rapidocr", None)  # its import fails
    text._detector.cache_clear()
    with pytest.raises(InpaintError, match="pip install --no-deps rapidocr"):
        masking.text_mask(photo())


def test_sensitivity_has_bounds():
    with pytest.raises(OptionError, match="sensitivity must be between 0 and 1, got 2"):
        masking.text_lines(photo(), 2)


def test_strokes_are_told_from_their_background_without_a_detector():
    from inpaint.masking.strokes import line_strokes

    picture, strokes = stamped()
    ys, xs = np.nonzero(strokes)
    x0, x1, y0, y1 = xs.min() - 3, xs.max() + 4, ys.min() - 3, ys.max() + 4
    line = line_strokes(picture, np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32))
    mask = np.zeros(strokes.shape, bool)
    mask[line.part] = line.mask
    assert line.clean and (mask & strokes).sum() > 0.97 * strokes.sum() and mask.sum() < 2.5 * strokes.sum()
    busy = np.random.default_rng(0).integers(0, 256, (60, 120, 3), np.uint8)
    corners = np.array([(20, 20), (100, 20), (100, 40), (20, 40)], np.float32)
    assert not line_strokes(cv2.blur(busy, (2, 2)), corners).clean


def test_the_next_line_says_nothing_of_what_is_around_a_line():
    from inpaint.masking.strokes import line_strokes

    picture, cover = Image.new("RGB", (320, 200), (10, 70, 230)), Image.new("L", (320, 200), 0)
    for row in range(3):
        ImageDraw.Draw(cover).text((60, 40 + 34 * row), "March 18-19", 255, ImageFont.load_default(32))
    picture.paste((250, 250, 250), mask=cover)
    strokes, boxes = np.array(cover) > 64, np.zeros((200, 320), bool)
    inked = np.nonzero(strokes.any(axis=1))[0]
    rows = np.split(inked, np.nonzero(np.diff(inked) > 1)[0] + 1)
    for row in rows:
        boxes[row[0] - 1 : row[-1] + 2, 55:260] = True
    top, bottom = int(rows[1][0]) - 1, int(rows[1][-1]) + 1
    corners = np.array([(55, top), (260, top), (260, bottom), (55, bottom)], np.float32)
    assert not line_strokes(np.array(picture), corners).clean
    line = line_strokes(np.array(picture), corners, boxes)
    mask, truth = np.zeros(boxes.shape, bool), strokes.copy()
    mask[line.part] = line.mask
    truth[: top - 1], truth[bottom + 2 :] = False, False
    assert line.clean and (mask & truth).sum() > 0.97 * truth.sum() and mask.sum() < 2.5 * truth.sum()


@reads
def test_tall_letters_are_text_and_a_tall_thing_is_not(monkeypatch):
    picture = Image.fromarray(photo(2, 300, 400))
    ImageDraw.Draw(picture).text((60, 60), "SALE", (250, 250, 250), ImageFont.load_default(72))
    white = (np.array(picture) == 250).all(axis=2)
    x, y, width, height = cv2.boundingRect(white.astype(np.uint8))
    for left in (62, 140):
        ImageDraw.Draw(picture).ellipse((left, 222, left + 56, 278), fill=(200, 40, 30))
    boxes = np.array([(x - 3, y - 3, width + 6, height + 6), (50, 200, 160, 98)], np.float32)
    corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes]
    found = np.array(corners, np.float32), np.array([0.9, 0.6], np.float32)
    monkeypatch.setattr(text, "text_lines", lambda *args: found)
    mask = masking.text_mask(np.array(picture))
    assert min(height + 6, 98) > text.TALL * 300 and strokes_of(picture, corners[1]).clean
    assert (mask & white).sum() > 0.95 * white.sum() and not mask[200:].any()


def test_a_tall_word_is_text_however_thick_its_strokes_are():
    for length, thing in ((150, True), (290, True), (310, False)):
        line = np.array([(20, 50), (20 + length, 50), (20 + length, 150), (20, 150)], np.float32)
        assert text._is_a_thing(np.ones((100, length), bool), line, (400, 400)) is thing
        low = line * np.array((1, 0.5), np.float32)
        assert not text._is_a_thing(np.ones((50, length), bool), low, (400, 400))


def strokes_of(picture, corners):
    from inpaint.masking.strokes import line_strokes

    return line_strokes(np.array(picture), np.array(corners, np.float32))


@pytest.mark.parametrize("rule", ["text", "text:grow=2", "region:bottom 100%x5% + text", "text + region:top 100%x5%"])
def test_a_rule_that_needs_what_is_missing_is_refused_before_any_photo(tmp_path, capsys, monkeypatch, rule):
    folders(tmp_path, 1)
    monkeypatch.setattr("inpaint.masking.text.find_spec", lambda name: None)
    assert cli.main(["batch", str(tmp_path / "photos"), "-m", rule, "-o", str(tmp_path / "out"), "--workers", "0"]) == 1
    assert "rapidocr" in capsys.readouterr().err.lower() and not (tmp_path / "out").exists()
