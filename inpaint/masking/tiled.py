"""A mark that stands again and again in one photo: from the places that were found to all places, and its strokes.

Averaging the places lets the photo behind them fade and the mark remain: the idea of Dekel 2017 ("On the Effectiveness
of Visible Watermarks", section 3) inside a single photo. The matching is ours: normalised correlation of the fine
detail, in which parts outside the photo count neither for nor against a place.
"""

import cv2
import numpy as np

from inpaint.masking.pixels import Floats, Mask, Photo, lab, shrunk
from inpaint.masking.strokes import line_height, polygon_mask

LONGEST = 800  # pixels of the longer side at which places are looked for
LEAST = 3  # places that make a mark a repeated one
SUPPORT = 3  # of them at which text was found, too
SEEDS = 5  # lines that are tried as the mark
SIGMAS = 4.5  # by which a place's correlation stands out from the rest of the photo
VISIBLE = 0.3  # of a mark's energy, for a place that the photo's border cuts


def _detail(photo: Photo, height: float) -> Floats:
    """Luminance without what is larger than a letter, evened out so that textured and flat parts weigh the same."""
    light = lab(photo)[..., 0]
    fine = light - cv2.GaussianBlur(light, (0, 0), max(1.0, 0.25 * height))
    energy = cv2.GaussianBlur(fine * fine, (0, 0), max(2.0, height))
    return np.asarray(np.clip(fine / np.sqrt(energy + 4), -3, 3), np.float32)


def _correlate(values: Floats, kernel: Floats) -> Floats:
    """Correlation at every place of the kernel's centre, zeros outside: float32, the size of `values`."""
    return np.asarray(cv2.filter2D(values, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT), np.float32)


def _places(detail: Floats, template: Floats) -> list[tuple[int, int]]:
    """Centres (y, x) at which the template stands out, none nearer to another than half the template."""
    score = _correlate(detail, template)
    seen = _correlate(np.ones_like(detail), template * template)
    energy = _correlate(detail * detail, (template != 0).astype(np.float32))
    score /= np.sqrt(np.maximum(seen * energy, 1e-6))
    score[seen < VISIBLE * float((template * template).sum())] = 0
    middle = float(np.median(score))
    spread = 1.4826 * float(np.median(np.abs(score - middle))) + 1e-6
    height, width = template.shape
    places: list[tuple[int, int]] = []
    score = score.copy()
    while len(places) < 400:
        y, x = np.unravel_index(int(score.argmax()), score.shape)
        if score[y, x] < middle + SIGMAS * spread or score[y, x] < 0.15:
            break
        places.append((int(y), int(x)))
        score[max(0, y - height // 2) : y + height // 2 + 1, max(0, x - width // 2) : x + width // 2 + 1] = 0
    return places


def _stack(detail: Floats, places: list[tuple[int, int]], shape: tuple[int, int]) -> Floats:
    """The mean of the detail around the places, float32 shape."""
    half_y, half_x = shape[0] // 2, shape[1] // 2
    padded = np.pad(detail, ((half_y, half_y), (half_x, half_x)), constant_values=np.nan)
    return np.asarray(np.nanmean([padded[y : y + shape[0], x : x + shape[1]] for y, x in places], axis=0), np.float32)


def _alike(lines: list[Floats]) -> list[int]:
    """Lines that at least one other line resembles in height, length and turn: their numbers, most common first."""
    heights = np.array([line_height(line) for line in lines])
    spans = np.array([np.ptp(line, axis=0) for line in lines])
    counts = [
        int(((np.abs(heights / heights[k] - 1) < 0.3) & (np.abs(spans / spans[k] - 1) < 0.25).all(axis=1)).sum())
        for k in range(len(lines))
    ]
    order = sorted(range(len(lines)), key=lambda k: -counts[k])
    return [k for k in order if counts[k] >= SUPPORT]


def _apart(lines: list[Floats]) -> list[Floats]:
    """Lines that stand at different places: one of those found at several scales."""
    kept: list[Floats] = []
    for line in lines:
        reach = 0.3 * np.ptp(line, axis=0)
        if all((np.abs(line.mean(axis=0) - other.mean(axis=0)) > reach).any() for other in kept):
            kept.append(line)
    return kept


def tiled_mask(photo: Photo, lines: list[Floats]) -> Mask:
    """Every place where a mark stands that occurs several times among the found lines, and its strokes there.

    Args:
        photo: uint8 (H, W, 3) RGB.
        lines: boxes float32 (4, 2) of the found lines, as (x, y) in pixels.

    Returns:
        bool (H, W), True = hole; empty where no mark repeats.
    """
    lines = _apart(lines)
    small, scale = shrunk(photo, LONGEST)
    centres = np.array([line.mean(axis=0) * scale for line in lines])
    best: tuple[int, Mask] | None = None
    for seed in _alike(lines)[:SEEDS]:
        line = lines[seed] * np.float32(scale)
        found = _mark(_detail(small, line_height(line)), line)
        if found is None:
            continue
        places, strokes = found
        reach = 0.35 * np.array(strokes.shape[::-1])
        near = np.abs(centres[:, None] - np.array(places)[None, :, ::-1]) < reach
        support = int(near.all(axis=2).any(axis=1).sum())
        if support >= max(SUPPORT, 0.2 * len(places)) and (best is None or support > best[0]):
            best = support, _stamp(strokes, places, small.shape[:2])
            if support >= 2 * SUPPORT:
                break
    if best is None:
        return np.zeros(photo.shape[:2], bool)
    if scale < 1:
        soft = cv2.resize(best[1].astype(np.float32), photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(soft > 0.3)
    return best[1]


def _mark(detail: Floats, line: Floats) -> tuple[list[tuple[int, int]], Mask] | None:
    """Places (y, x) of the mark in a line's box, and its strokes; None where it does not repeat."""
    height = line_height(line)
    low = np.maximum(0, np.floor(line.min(axis=0) - 0.1 * height)).astype(int)
    high = np.ceil(line.max(axis=0) + 0.1 * height).astype(int)
    width, tall = ((high - low) // 2 * 2 + 1).tolist()
    part = detail[low[1] : low[1] + tall, low[0] : low[0] + width]
    if part.shape != (tall, width) or min(part.shape) < 7:
        return None
    inside = cv2.dilate(polygon_mask(line - low, part.shape).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    template = np.where(inside, part, 0).astype(np.float32)
    places: list[tuple[int, int]] = []
    for _ in range(3):
        places = _places(detail, template)
        if len(places) < LEAST:
            return None
        template = np.where(inside, np.nan_to_num(_stack(detail, places, part.shape)), 0).astype(np.float32)
    grey = np.clip(np.abs(template) * 80, 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)
    sign = np.sign(template[grey > level].sum())
    strokes = (template * sign * 80 > 0.6 * level).astype(np.uint8)
    return places, cv2.dilate(strokes, np.ones((3, 3), np.uint8)).astype(bool)


def _stamp(strokes: Mask, places: list[tuple[int, int]], shape: tuple[int, int]) -> Mask:
    """The strokes at every place, cut by the border, bool shape."""
    tall, width = strokes.shape
    canvas = np.zeros((shape[0] + tall, shape[1] + width), bool)
    for y, x in places:
        canvas[y : y + tall, x : x + width] |= strokes
    return canvas[tall // 2 : tall // 2 + shape[0], width // 2 : width // 2 + shape[1]]
