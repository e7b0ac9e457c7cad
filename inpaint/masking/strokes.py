"""The strokes of the letters in a line of text: colours that stand in the line and not around it.

The method is ours: k-means clusters of the line and its surroundings in CIE Lab; a cluster is ink when it is several
times as frequent inside the line's box as around it, and far from the median of its neighbourhood.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from inpaint.masking.pixels import Floats, Mask, Photo, disc, lab

MARGIN = 0.6  # of the line's height: the surroundings that a line is compared with
SPILL = 0.2  # of the line's height: how far a letter may reach out of its box
RIM = 0.07  # of the line's height: how wide an outline may be
CLUSTERS = 6
HEIGHT = 48  # pixels: taller lines are judged at this height
SAMPLE = 4000  # pixels that the clusters are learned from
CONTRAST = 10.0  # in Lab, least distance of clean ink from its background


@dataclass(frozen=True)
class Strokes:
    """The strokes of one line.

    Args:
        mask: bool, of a part of the photo.
        part: that part's slices.
        clean: the ink's colour is nearly absent around the line, so that the strokes can be trusted.
    """

    mask: Mask
    part: tuple[slice, slice]
    clean: bool


def line_height(corners: Floats) -> float:
    """The short side of a box float32 (4, 2), in pixels."""
    return float(min(np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[1] - corners[2])))


def line_length(corners: Floats) -> float:
    """The long side of a box float32 (4, 2), in pixels."""
    return float(max(np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[1] - corners[2])))


def polygon_mask(corners: Floats, shape: tuple[int, int]) -> Mask:
    """The inside of a polygon float32 (N, 2), bool shape."""
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [corners.round().astype(np.int32)], 1)
    return canvas.astype(bool)


def line_strokes(photo: Photo, corners: Floats, lines: Mask | None = None) -> Strokes:
    """The strokes in one line of text.

    Args:
        photo: uint8 (H, W, 3) RGB.
        corners: float32 (4, 2), the line's box as (x, y); some of it lies in the photo.
        lines: bool (H, W), the boxes of all sure lines: the next line has the ink's colour, too, and does not tell
            what is around this one.

    Returns:
        The strokes; where they cannot be told from the background, the whole box and `clean` False; none where nothing
        in the box stands out.
    """
    height = line_height(corners)
    pad = max(4, round(MARGIN * height))
    low = np.maximum(0, np.floor(corners.min(axis=0)).astype(int) - pad)
    high = np.minimum(photo.shape[1::-1], np.ceil(corners.max(axis=0)).astype(int) + pad + 1)
    part = (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))
    crop, scale = photo[part], min(1.0, HEIGHT / max(height, 1))
    if scale < 1:
        size = np.maximum(1, np.round((high - low) * scale)).astype(int)
        crop = np.asarray(cv2.resize(crop, size.tolist(), interpolation=cv2.INTER_AREA), np.uint8)
    box = polygon_mask((corners - low) * scale, crop.shape[:2])
    beside = ~box
    if lines is not None:
        beside &= cv2.resize(lines[part].astype(np.uint8), crop.shape[1::-1], interpolation=cv2.INTER_NEAREST) == 0
    ink, clean = _ink(crop, box, beside, height * scale)
    mask = ink if clean else box
    if scale < 1:
        mask = cv2.resize(mask.astype(np.float32), (high - low).tolist(), interpolation=cv2.INTER_LINEAR) > 0.3
    return Strokes(mask, part, clean)


def _clusters(colours: Floats, inside: Mask) -> tuple[Floats, Floats, Floats]:
    """Colour clusters of a line and its surroundings: centres (K, 3), share of the inside (K,), share outside (K,)."""
    step = max(1, len(colours) // SAMPLE)
    sample, where = np.ascontiguousarray(colours[::step]), inside[::step]
    count = min(CLUSTERS, len(sample))
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 0.5)
    cv2.setRNGSeed(1)
    _, labels, centres = cv2.kmeans(sample, count, np.zeros((0, 0), np.int32), criteria, 2, cv2.KMEANS_PP_CENTERS)
    within = np.bincount(labels[where, 0], minlength=count) / max(1, where.sum())
    around = np.bincount(labels[~where, 0], minlength=count) / max(1, (~where).sum())
    return np.asarray(centres, np.float32), within.astype(np.float32), around.astype(np.float32)


def _ink(crop: Photo, box: Mask, beside: Mask, height: float) -> tuple[Mask, bool]:
    """The ink in a crop bool (h, w), given the inside of its box and what is in no line, and whether it is clean."""
    reach = cv2.dilate(box.astype(np.uint8), disc(max(2, round(height * MARGIN)))).astype(bool)
    outside = reach & beside
    if outside.sum() < 0.15 * (reach & ~box).sum():
        outside = reach & ~box  # lines on all sides
    reach = box | outside
    if box.sum() < 20 or outside.sum() < 20:
        return box, False
    colours = lab(crop)
    window = 2 * max(2, round(height * 0.6)) + 1
    medians = [cv2.medianBlur(np.ascontiguousarray(crop[..., c]), window) for c in range(3)]
    background = np.asarray(np.dstack(medians), np.uint8)
    away = np.linalg.norm(colours - lab(background), axis=2)
    if np.percentile(away[box], 95) < CONTRAST:
        return np.zeros_like(box), True  # nothing in it stands out: a smooth place that was taken for text
    noise = float(np.percentile(away[outside], 75))
    centres, within, around = _clusters(colours[reach], box[reach])
    nearest = np.linalg.norm(colours[:, :, None] - centres, axis=3).argmin(axis=2)
    sizes = np.bincount(nearest[box], minlength=len(centres))
    contrast = np.bincount(nearest[box], away[box], minlength=len(centres)) / np.maximum(sizes, 1)
    best = int(np.argmax((within - around) * contrast))
    letters = (within > 3 * around + 0.01) & (contrast > max(8, 1.2 * noise, 0.5 * contrast[best]))
    if not letters.any():
        return box, False
    share, spread = float(within[letters].sum()), float(around[letters].sum())
    clean = spread < min(0.07, 0.3 * share) and contrast[best] > max(CONTRAST, 1.5 * noise) and share < 0.7
    near = cv2.dilate(box.astype(np.uint8), disc(max(1, round(height * SPILL)))).astype(bool)
    ink = _touching(letters[nearest] & near, box)
    ink = _thin_holes_filled(cv2.dilate(ink.astype(np.uint8), disc(1)).astype(bool), height)
    # Outlines and hard shadows: what lies along the ink and is not the background either.
    along = cv2.dilate(ink.astype(np.uint8), disc(max(1, round(RIM * height)))).astype(bool)
    return ink | (along & (away > max(10, 1.5 * noise))), clean


def _touching(ink: Mask, box: Mask) -> Mask:
    """The connected parts of the ink that lie mostly in the box: letters that reach out of it, no neighbours."""
    count, labels = cv2.connectedComponents(ink.astype(np.uint8), connectivity=8)
    total = np.bincount(labels[ink], minlength=count)
    within = np.bincount(labels[ink & box], minlength=count)
    kept = within > 0.5 * total
    kept[0] = False
    return kept[labels]


def _thin_holes_filled(ink: Mask, height: float) -> Mask:
    """The ink with the inside of outlined letters: enclosed places no wider than a stroke."""
    count, labels = cv2.connectedComponents((~ink).astype(np.uint8), connectivity=4)
    depth = cv2.distanceTransform((~ink).astype(np.uint8), cv2.DIST_L2, 3)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel().astype(np.intp), depth.ravel())
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    thin = deepest < max(1.5, 0.09 * height)
    thin[rim] = False
    thin[0] = False
    return ink | thin[labels]
