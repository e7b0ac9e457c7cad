"""Pictures whose right mask is known because it was made here: text, scratches, pasted objects, logos."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inpaint.masking.random import objects

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]
SENTENCES = (
    "Sample", "PREVIEW", "© 2021 J. Smith", "www.example.com", "12/08/2019", "'98 7 24", "2003-11-05 14:32",
    "I never said that.", "Where are we going now?", "Do not copy", "Photography by Anna", "SALE 50%", "Stock photo",
    "Best wishes", "Chapter 7", "City marathon", "LIVE", "No. 4471", "breaking news tonight", "draft",
)  # fmt: skip
COLOURS = (
    (255, 255, 255), (255, 255, 255), (0, 0, 0), (255, 230, 40), (255, 140, 30), (230, 30, 30), (30, 60, 220),
    (40, 200, 70),
)  # fmt: skip
PICTOGRAMS = "♞♛♜♟☂☎⚓✈♥♠♣★☁☗✿☘⚑⚡"  # filled ones of DejaVu Sans
READABLE = 60  # least mean distance in RGB between a letter and what is behind it


@dataclass(frozen=True)
class Case:
    """A picture uint8 (H, W, 3), its true mask bool (H, W), and what a tool may be told about it."""

    photo: Photo
    truth: Mask
    box: tuple[int, int, int, int] | None = None
    shadow: Mask | None = None


def font_files(folders: list[Path]) -> list[Path]:
    """Every TrueType and OpenType file below some folders, without mathematics and symbols."""
    files = sorted(f for folder in folders for f in folder.rglob("*") if f.suffix.lower() in (".ttf", ".otf"))
    return [f for f in files if not any(word in f.name for word in ("Math", "Symbol", "Emoji"))]


def _font(rng: np.random.Generator, fonts: list[Path], size: int) -> ImageFont.FreeTypeFont:
    if not fonts:
        return ImageFont.load_default(size)  # type: ignore[return-value]
    return ImageFont.truetype(str(fonts[rng.integers(len(fonts))]), size)


def _blend(photo: Photo, cover: NDArray[np.float32], colour: tuple[int, ...]) -> Photo:
    share = cover[..., None]
    return (photo * (1 - share) + np.array(colour) * share).round().astype(np.uint8)


def _draw(
    shape: tuple[int, int], text: str, font: ImageFont.FreeTypeFont, place: tuple[float, float], angle: float,
    outline: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coverage of the letters, and of letters and outline, each float32 (H, W) in [0, 1]."""
    left, top, right, bottom = font.getbbox(text, stroke_width=outline)
    width, height = int(right - left), int(bottom - top)
    covers = []
    for stroke in (0, outline):
        layer = Image.new("L", (width + 4, height + 4), 0)
        ImageDraw.Draw(layer).text((2 - left, 2 - top), text, 255, font, stroke_width=stroke)
        turned = layer.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        canvas = Image.new("L", shape[::-1], 0)
        free_x, free_y = shape[1] - turned.width, shape[0] - turned.height
        canvas.paste(turned, (round(place[0] * free_x), round(place[1] * free_y)))
        covers.append(np.asarray(canvas, np.float32) / 255)
    return covers[0], covers[1]


def text_case(rng: np.random.Generator, photo: Photo, fonts: list[Path], opacity: float = 1.0) -> Case:
    """One to three lines of text on a photo, readable where they stand; stroke pixels are covered by a quarter or more.

    Args:
        rng: source of randomness.
        photo: uint8 (H, W, 3).
        fonts: font files; none for Pillow's own.
        opacity: of the text.
    """
    picture, truth = photo.copy(), np.zeros(photo.shape[:2], bool)
    taken = truth.copy()
    wanted = rng.integers(1, 4)
    for _ in range(60):
        if wanted == 0:
            break
        size = round(float(np.exp(rng.uniform(np.log(15), np.log(64)))))
        angle = 0.0 if rng.random() < 0.6 else rng.uniform(-30, 30)
        outline = max(1, size // 16) if rng.random() < 0.25 else 0
        text = SENTENCES[rng.integers(len(SENTENCES))]
        place = tuple(rng.uniform(0.02, 0.98, 2))
        letters, cover = _draw(truth.shape, text, _font(rng, fonts, size), place, angle, outline)
        stroke = cover > 0.25
        if stroke.sum() < 40 or (taken & cv2.dilate(stroke.astype(np.uint8), np.ones((25, 25))).astype(bool)).any():
            continue
        if stroke[0].any() or stroke[-1].any() or stroke[:, 0].any() or stroke[:, -1].any():
            continue
        colour = COLOURS[rng.integers(len(COLOURS))]
        rim = tuple(255 - 255 * (sum(colour) > 380) for _ in range(3))
        behind = photo[stroke].astype(int)
        apart = np.abs(behind - np.array(colour)).mean(axis=1)
        if opacity * np.percentile(apart, 20) < READABLE * min(1.0, 2 * opacity) / (2 if outline else 1):
            continue
        if outline:
            picture = _blend(picture, cover * opacity, rim)
        picture = _blend(picture, letters * opacity, colour)
        truth |= stroke
        taken |= cv2.dilate(stroke.astype(np.uint8), np.ones((9, 9))).astype(bool)
        wanted -= 1
    return Case(picture, truth)


def watermark_case(rng: np.random.Generator, photo: Photo, fonts: list[Path]) -> Case:
    """One word repeated over the whole photo, 25 to 50 % opaque, turned."""
    height, width = photo.shape[:2]
    word = ("SAMPLE", "preview", "© Stock", "example.com")[rng.integers(4)]
    font = _font(rng, fonts, round(min(height, width) / rng.uniform(11, 16)))
    angle, opacity = rng.uniform(15, 35), rng.uniform(0.25, 0.5)
    cover = np.zeros((height, width), np.float32)
    side = round(np.hypot(height, width))
    sheet = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(sheet)
    _, _, right, bottom = font.getbbox(word)
    for row, y in enumerate(range(0, side, round(bottom * 3))):
        for x in range(-(row % 2) * round(right * 0.7), side, round(right * 1.4)):
            pen.text((x, y), word, 255, font)
    turned = np.asarray(sheet.rotate(angle, Image.Resampling.BICUBIC), np.float32) / 255
    cover = turned[(side - height) // 2 :, (side - width) // 2 :][:height, :width]
    colour = (255, 255, 255) if photo.mean() < 170 else (20, 20, 20)
    return Case(_blend(photo, cover * np.float32(opacity), colour), cover > 0.25)


def faint_mark_case(rng: np.random.Generator, photo: Photo, fonts: list[Path]) -> Case:
    """Words or a logo on a grid over the whole photo, 15 to 40 % opaque, white or grey; saved as a JPEG in half.

    A fifth stands upright, the others are turned by 30 to 45 degrees either way; rows are shifted in half. Grey paint
    cannot be seen on ground of its own grey; such pixels count all the same.
    """
    height, width = photo.shape[:2]
    fine = 2 * min(height, width)  # drawn at twice the size, so that places are not whole pixels
    font = _font(rng, fonts, round(fine * rng.uniform(0.035, 0.085)))
    if rng.random() < 0.3:
        side = round(fine * rng.uniform(0.08, 0.16))
        stamp = Image.new("L", (side, side), 0)
        _badge(rng, stamp, font.font_variant(size=round(side * 0.4)))
        gap_x, gap_y = side * rng.uniform(1.15, 1.9), side * rng.uniform(1.3, 2.2)
    else:
        word = SENTENCES[rng.integers(len(SENTENCES))]
        left, top, right, bottom = (round(edge) for edge in font.getbbox(word))
        stamp = Image.new("L", (right - left + 2, bottom - top + 2), 0)
        ImageDraw.Draw(stamp).text((1 - left, 1 - top), word, 255, font)
        gap_x = stamp.width * rng.uniform(1.15, 1.9)
        gap_y = max(0.12 * fine, stamp.height * rng.uniform(2, 4.5))
    side = round(np.hypot(height, width)) + 8
    sheet = Image.new("L", (2 * side, 2 * side), 0)
    shift, start = rng.choice((0, 0.5)), rng.uniform(0, 1, 2) * (gap_x, gap_y)
    for row in range(round(2 * side / gap_y) + 2):
        for column in range(round(2 * side / gap_x) + 3):
            x = (column - 1 + shift * (row % 2)) * gap_x - start[0]
            sheet.paste(stamp, (round(x), round(row * gap_y - start[1])))
    angle = 0.0 if rng.random() < 0.2 else rng.choice((-1, 1)) * rng.uniform(30, 45)
    turned = sheet.rotate(angle, Image.Resampling.BICUBIC).resize((side, side), Image.Resampling.LANCZOS)
    cover = np.asarray(turned, np.float32)[(side - height) // 2 :, (side - width) // 2 :][:height, :width] / 255
    tone = (255, 255, 200, 128)[rng.integers(4)]
    marked = _blend(photo, cover * np.float32(rng.uniform(0.15, 0.4)), (tone,) * 3)
    if rng.random() < 0.5:
        _, stored = cv2.imencode(".jpg", marked[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 95))))
        marked = np.ascontiguousarray(cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1])
    return Case(marked, cover > 0.25)


def scratch_case(rng: np.random.Generator, photo: Photo) -> Case:
    """A scan of an old print: soft, a little grainy, with scratches, cracks of a fold, and dust, light or dark."""
    height, width = photo.shape[:2]
    side = min(height, width)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32) * 0.85 + 15
    base = cv2.GaussianBlur(np.stack([grey * 1.04, grey, grey * 0.9], axis=2), (0, 0), 0.7)
    base = np.clip(base + rng.normal(0, 2.5, (height, width, 1)), 0, 255)
    cover, tone = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)

    def mark(layer: NDArray[np.float32], strength: float, value: float) -> None:
        nonlocal cover, tone
        layer = cv2.GaussianBlur(layer, (0, 0), 0.5) * strength
        tone = np.where(layer > cover, value, tone)
        cover = np.maximum(cover, layer)

    for _ in range(rng.integers(3, 9)):  # scratches
        length, angle = side * rng.uniform(0.1, 0.8), rng.uniform(0, np.pi)
        count = max(4, round(length / 12))
        bend = np.cumsum(rng.normal(0, 0.02, count))
        steps = np.stack([np.cos(angle + bend), np.sin(angle + bend)], axis=1) * length / count
        points = np.cumsum(steps, axis=0) + rng.uniform(0.05, 0.95, 2) * (width, height) - steps.sum(axis=0) / 2
        layer = np.zeros((height, width), np.float32)
        thick = int(rng.integers(1, 4))
        cv2.polylines(layer, [(points * 16).round().astype(np.int32)], False, 1, thick, cv2.LINE_AA, 4)
        mark(np.clip(layer, 0, 1), rng.uniform(0.5, 1), 245 if rng.random() < 0.75 else 15)
    if rng.random() < 0.5:  # a fold whose emulsion has cracked
        at = rng.uniform(0.2, 0.8)
        count = side // 5
        along, across = np.linspace(0, 1, count), at + np.cumsum(rng.normal(0, 0.0022, count))
        upright = rng.random() < 0.5
        points = np.stack([across * width, along * height] if upright else [along * width, across * height], axis=1)
        layer = np.zeros((height, width), np.float32)
        for a, b in pairwise(points):
            if rng.random() < 0.9:
                cv2.line(layer, a.astype(int).tolist(), b.astype(int).tolist(), 1, int(rng.integers(2, 6)), cv2.LINE_AA)
        mark(np.clip(layer, 0, 1), rng.uniform(0.8, 1), 240)
    for _ in range(rng.integers(8, 30)):  # dust and fibres
        layer = np.zeros((height, width), np.float32)
        centre = rng.uniform(0.02, 0.98, 2) * (width, height)
        axes = rng.uniform(1.2, 4.5, 2) * side / 512
        cv2.ellipse(layer, (centre.tolist(), (2 * axes).tolist(), rng.uniform(0, 180)), 1, -1, cv2.LINE_AA)
        mark(np.clip(layer, 0, 1), rng.uniform(0.6, 1), 245 if rng.random() < 0.7 else 20)
    seen = np.abs(tone - base.mean(axis=2)) * cover
    picture = base * (1 - cover[..., None]) + tone[..., None] * cover[..., None]
    return Case(picture.round().astype(np.uint8), (cover > 0.25) & (seen > 12))


def object_case(rng: np.random.Generator, photo: Photo, cutout: NDArray[np.uint8]) -> Case:
    """An object pasted on a photo, with a soft shadow beneath in half of the cases, and a loose box around it.

    Args:
        rng: source of randomness.
        photo: uint8 (H, W, 3).
        cutout: uint8 (h, w, 4) RGBA, the object alone.
    """
    height, width = photo.shape[:2]
    alpha = cutout[..., 3]
    ys, xs = np.nonzero(alpha > 127)
    cutout = cutout[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    share = rng.uniform(0.25, 0.65)
    scale = share * min(height / cutout.shape[0], width / cutout.shape[1])
    size = (max(8, round(cutout.shape[1] * scale)), max(8, round(cutout.shape[0] * scale)))
    cutout = cv2.resize(cutout, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left = rng.integers(4, width - size[0] - 4)
    top = rng.integers(4, height - size[1] - 4)
    cover = np.zeros((height, width), np.float32)
    cover[top : top + size[1], left : left + size[0]] = cutout[..., 3] / np.float32(255)
    layer = np.zeros_like(photo)
    layer[top : top + size[1], left : left + size[0]] = cutout[..., :3]
    truth, picture, shadow = cover > 0.5, photo.astype(np.float32), None
    if rng.random() < 0.5:
        dark = np.zeros((height, width), np.float32)
        centre = (left + size[0] / 2 + rng.uniform(0, 0.3) * size[0], top + size[1] * 0.97)
        cv2.ellipse(dark, (centre, (size[0] * rng.uniform(0.9, 1.3), size[1] * rng.uniform(0.12, 0.25)), 0.0), 1, -1)
        dark = cv2.GaussianBlur(dark, (0, 0), max(2.0, size[1] * 0.03)) * np.float32(rng.uniform(0.35, 0.6))
        picture *= 1 - dark[..., None]
        shadow = (dark > 0.12) & ~truth
    picture = picture * (1 - cover[..., None]) + layer * cover[..., None]
    return Case(picture.round().astype(np.uint8), truth, loose_box(rng, truth), shadow)


def loose_box(rng: np.random.Generator, truth: Mask) -> tuple[int, int, int, int]:
    """A box x, y, width, height as a person draws it: up to 8 % of the object's side away from it on each side."""
    ys, xs = np.nonzero(truth)
    height, width = truth.shape
    slack = rng.uniform(0, 0.08, 4) * (np.ptp(xs) + 1, np.ptp(ys) + 1, np.ptp(xs) + 1, np.ptp(ys) + 1)
    x0, y0 = max(0, round(xs.min() - slack[0])), max(0, round(ys.min() - slack[1]))
    x1, y1 = min(width, round(xs.max() + 1 + slack[2])), min(height, round(ys.max() + 1 + slack[3]))
    return x0, y0, x1 - x0, y1 - y0


def blob_cutout(rng: np.random.Generator, source: Photo) -> NDArray[np.uint8]:
    """A blob-shaped piece of another photo, RGBA: an object for who has no cut-outs."""
    side = min(source.shape[:2])
    shape = objects(rng, side)
    top, left = rng.integers(0, source.shape[0] - side + 1), rng.integers(0, source.shape[1] - side + 1)
    soft = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 0.7) * 255
    return np.dstack([source[top : top + side, left : left + side], soft.round().astype(np.uint8)])


def _badge(rng: np.random.Generator, layer: Image.Image, font: ImageFont.FreeTypeFont) -> None:
    """A ring with white letters, or a filled badge with black ones, over a square picture."""
    side = layer.width
    pen = ImageDraw.Draw(layer)
    if rng.random() < 0.5:
        pen.ellipse((side / 50, side / 50, side * 49 / 50, side * 49 / 50), outline=255, width=max(1, side // 16))
        letters = 255
    else:
        pen.rounded_rectangle((1, side // 4, side - 1, side * 3 // 4), side // 12, fill=255)
        letters = 0
    pen.text((side // 2, side // 2), ("ACE", "Fox", "N°1")[rng.integers(3)], letters, font, anchor="mm")


def logo(rng: np.random.Generator, shape: tuple[int, int], fonts: list[Path]) -> NDArray[np.float32]:
    """A logo: a ring or a badge with letters, somewhere on the picture; its coverage, float32 (H, W) in [0, 1]."""
    height, width = shape
    side = round(min(shape) * rng.uniform(0.15, 0.35))
    layer = Image.new("L", (side * 4, side * 4), 0)
    _badge(rng, layer, _font(rng, fonts, side))
    small = np.asarray(layer.resize((side, side), Image.Resampling.LANCZOS), np.float32) / 255
    cover = np.zeros(shape, np.float32)
    top, left = rng.integers(4, height - side - 4), rng.integers(4, width - side - 4)
    cover[top : top + side, left : left + side] = small
    return cover


def pictogram_cutout(rng: np.random.Generator, source: Photo, fonts: list[Path]) -> NDArray[np.uint8]:
    """A close-up of another photo in the outline of a pictogram, RGBA: shapes that no method here was fitted on.

    Args:
        rng: source of randomness.
        source: uint8 (H, W, 3).
        fonts: font files, DejaVu Sans among them.

    Raises:
        FileNotFoundError: DejaVu Sans, which has the pictograms, is not among the fonts.
    """
    symbols = [f for f in fonts if f.name == "DejaVuSans.ttf"]
    if not symbols:
        raise FileNotFoundError("pictograms need DejaVuSans.ttf among the fonts")
    side = min(source.shape[:2])
    font = ImageFont.truetype(str(symbols[0]), side)
    left, top, right, bottom = font.getbbox(text := PICTOGRAMS[rng.integers(len(PICTOGRAMS))])
    layer = Image.new("L", (round(right - left), round(bottom - top)), 0)
    ImageDraw.Draw(layer).text((-left, -top), text, 255, font)
    layer = layer.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC, expand=True)
    layer.thumbnail((side, side), Image.Resampling.LANCZOS)
    # Less than half of a photo enlarged, because things are of one or two materials and scenes of many.
    close = side * 2 // 5
    y, x = rng.integers(0, source.shape[0] - close + 1), rng.integers(0, source.shape[1] - close + 1)
    material = cv2.resize(source[y : y + close, x : x + close], layer.size, interpolation=cv2.INTER_CUBIC)
    return np.dstack([material, np.asarray(layer)])
